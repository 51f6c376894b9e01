#include "best_quant.hpp"

#include "catch.hpp"

using namespace canirun;

namespace {

QuantChoice row(FileType quant, double bits, Letter letter) { return {quant, {bits}, letter}; }

FileType best_of(const std::vector<QuantChoice>& rows)
{
  const auto best = best_quant(rows);
  REQUIRE(best.has_value());
  return rows[*best].quant;
}

}  // namespace

TEST_CASE("among grades B and better the most bits win", "[best_quant]")
{
  CHECK(best_of({row(FileType::Q4_K_S, 4.6, Letter::S), row(FileType::Q4_K_M, 4.9, Letter::S), row(FileType::Q8_0, 8.5, Letter::B),
                 row(FileType::F16, 16, Letter::C)}) == FileType::Q8_0);
}

TEST_CASE("types below Q4_K_S are no candidates while Q4_K_M is usable", "[best_quant]")
{
  // Q2_K would be the only B, but Q4_K_M at C is better than two bits.
  CHECK(best_of({row(FileType::Q2_K, 3.3, Letter::B), row(FileType::Q4_K_S, 4.6, Letter::C), row(FileType::Q4_K_M, 4.9, Letter::C)}) ==
        FileType::Q4_K_M);
  CHECK(best_of({row(FileType::Q2_K, 3.3, Letter::B), row(FileType::Q4_K_S, 4.6, Letter::C), row(FileType::Q4_K_M, 4.9, Letter::D)}) ==
        FileType::Q2_K);
}

TEST_CASE("without a B the best grade wins, then more bits, then the earlier", "[best_quant]")
{
  CHECK(best_of({row(FileType::Q2_K, 3.3, Letter::D), row(FileType::Q3_K_M, 3.9, Letter::D), row(FileType::Q4_K_M, 4.9, Letter::F)}) ==
        FileType::Q3_K_M);
  CHECK(best_of({row(FileType::BF16, 16, Letter::S), row(FileType::F16, 16, Letter::S)}) == FileType::BF16);
  CHECK(best_quant({}) == std::nullopt);
}
