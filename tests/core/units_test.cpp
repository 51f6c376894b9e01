#include "canirun/core/units.hpp"

#include "catch.hpp"

using namespace canirun;
using namespace canirun::literals;

TEST_CASE("free memory is never negative", "[units]")
{
  CHECK(saturating_sub(3_GiB, 1_GiB) == 2_GiB);
  CHECK(saturating_sub(1_GiB, 3_GiB) == 0_B);
}

TEST_CASE("sizes are padded up to their alignment", "[units]")
{
  CHECK(align_up(0_B, 128) == 0_B);
  CHECK(align_up(1_B, 128) == 128_B);
  CHECK(align_up(128_B, 128) == 128_B);
  CHECK(pad_to(4097, 256) == 4352);
}
