#include "canirun/core/file_type.hpp"
#include "canirun/core/tensor_type.hpp"
#include "catch.hpp"

using namespace canirun;
using namespace canirun::literals;

TEST_CASE("rows of quantised tensors are whole blocks", "[types]")
{
  // ggml-common.h: q8_0 keeps 32 weights in 34 bytes, q4_K 256 in 144.
  CHECK(row_size(TensorType::f16, 4096) == 8192_B);
  CHECK(row_size(TensorType::q8_0, 4096) == 4352_B);
  CHECK(row_size(TensorType::q4_K, 4096) == 2304_B);
}

TEST_CASE("types are found by the names that people type", "[types]")
{
  CHECK(parse_tensor_type("Q8_0") == TensorType::q8_0);
  CHECK(parse_tensor_type("q9_0") == std::nullopt);
  CHECK(parse_file_type("q4_k_m") == FileType::Q4_K_M);
  CHECK(parse_file_type("mxfp4") == FileType::MXFP4_MOE);
  CHECK(parse_file_type("Q4_K") == FileType::Q4_K_M);
  CHECK(parse_file_type("Q4_K_XXL") == std::nullopt);
}

TEST_CASE("every file type has a name that finds it again", "[types]")
{
  for (const auto type : all_file_types()) CHECK(parse_file_type(name(type)) == type);
}

TEST_CASE("a number that no format has is refused", "[types]")
{
  CHECK(known_tensor_type(12) == TensorType::q4_K);
  CHECK(known_tensor_type(4) == std::nullopt);
  CHECK(known_tensor_type(4'000'000'000u) == std::nullopt);
}
