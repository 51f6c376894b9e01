#include "best_quant.hpp"

#include <random>

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
  CHECK(best_of({row(FileType::Q4_K_S, 4.6, Letter::S), row(FileType::Q4_K_M, 4.9, Letter::S),
                 row(FileType::Q8_0, 8.5, Letter::B), row(FileType::F16, 16, Letter::C)}) == FileType::Q8_0);
}

TEST_CASE("types below Q4_K_S are no candidates while Q4_K_M is usable", "[best_quant]")
{
  // Q2_K would be the only B, but Q4_K_M at C is better than two bits.
  CHECK(best_of({row(FileType::Q2_K, 3.3, Letter::B), row(FileType::Q4_K_S, 4.6, Letter::C),
                 row(FileType::Q4_K_M, 4.9, Letter::C)}) == FileType::Q4_K_M);
  CHECK(best_of({row(FileType::Q2_K, 3.3, Letter::B), row(FileType::Q4_K_S, 4.6, Letter::C),
                 row(FileType::Q4_K_M, 4.9, Letter::D)}) == FileType::Q2_K);
}

TEST_CASE("without a B the best grade wins, then more bits, then the earlier", "[best_quant]")
{
  CHECK(best_of({row(FileType::Q2_K, 3.3, Letter::D), row(FileType::Q3_K_M, 3.9, Letter::D),
                 row(FileType::Q4_K_M, 4.9, Letter::F)}) == FileType::Q3_K_M);
  CHECK(best_of({row(FileType::BF16, 16, Letter::S), row(FileType::F16, 16, Letter::S)}) == FileType::BF16);
  CHECK(best_quant({}) == std::nullopt);
}

TEST_CASE("grading rows from most bits down finds the same row, and stops there", "[best_quant]")
{
  constexpr std::array types{FileType::Q2_K, FileType::Q3_K_M, FileType::Q4_K_S, FileType::Q4_K_M,
                             FileType::Q8_0, FileType::F16,    FileType::BF16};
  std::mt19937 random(7);
  std::size_t asked = 0, all = 0;
  for (int round = 0; round < 20000; ++round) {
    std::vector<QuantChoice> rows;
    for (const auto type : types) {
      if (random() % 4) rows.push_back(row(type, static_cast<double>(1 + random() % 8), static_cast<Letter>(random() % 6)));
    }
    std::ranges::shuffle(rows, random);
    auto hidden = rows;
    for (auto& r : hidden) r.letter = Letter::F;
    std::vector<int> times(rows.size());
    const auto lazy = best_quant(hidden, [&](std::size_t i) { return ++times[i], rows[i].letter; });
    CHECK(lazy == best_quant(std::span<const QuantChoice>(rows)));
    for (const auto n : times) {
      CHECK(n <= 1);
      asked += static_cast<std::size_t>(n);
    }
    all += rows.size();
  }
  CHECK(asked < all);
}

TEST_CASE("weights published in few bits beat whatever is made of them", "[best_quant]")
{
  std::vector rows{row(FileType::Q2_K, 4.6, Letter::S), row(FileType::Q4_K_S, 5.6, Letter::S),
                   row(FileType::Q4_K_M, 6.0, Letter::S), row(FileType::Q8_0, 8.5, Letter::S),
                   row(FileType::MXFP4_MOE, 4.63, Letter::S)};
  CHECK(best_of(rows) == FileType::Q8_0);
  for (auto& r : rows) r.requantised = r.quant != FileType::MXFP4_MOE;
  cap_requantised(rows, FileType::MXFP4_MOE);
  CHECK(best_of(rows) == FileType::MXFP4_MOE);

  rows.pop_back();  // The published type is not among the rows: nothing to compare with.
  rows.back().bits = {8.5};
  cap_requantised(rows, FileType::MXFP4_MOE);
  CHECK(best_of(rows) == FileType::Q8_0);
}
