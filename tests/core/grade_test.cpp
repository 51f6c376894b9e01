#include "canirun/core/grade.hpp"

#include "canirun/core/placement.hpp"
#include "canirun/core/report.hpp"
#include "canirun/core/speed.hpp"
#include "canirun/core/workload.hpp"
#include "catch.hpp"

using namespace canirun;

TEST_CASE("the memory letter follows the share of the budget that stays free", "[grade]")
{
  CHECK(memory_letter(0.25) == Letter::S);
  CHECK(memory_letter(0.2499) == Letter::A);
  CHECK(memory_letter(0.12) == Letter::A);
  CHECK(memory_letter(0.06) == Letter::B);
  CHECK(memory_letter(0.02) == Letter::C);
  CHECK(memory_letter(0.0199) == Letter::D);
  CHECK(memory_letter(0.0) == Letter::D);
  CHECK(memory_letter(-1e-9) == Letter::F);
}

TEST_CASE("the speed letter is never F", "[grade]")
{
  CHECK(speed_letter(30) == Letter::S);
  CHECK(speed_letter(29.9) == Letter::A);
  CHECK(speed_letter(8) == Letter::B);
  CHECK(speed_letter(4) == Letter::C);
  CHECK(speed_letter(0.01) == Letter::D);
  CHECK(image_speed_letter(10) == Letter::S);
  CHECK(image_speed_letter(61) == Letter::C);
  CHECK(image_speed_letter(10000) == Letter::D);
}

TEST_CASE("the grade is the worse letter and says which limit binds", "[grade]")
{
  const auto slow = make_grade(0.5, 9.0, false, true);
  CHECK(slow.letter == Letter::B);
  CHECK(slow.memory == Letter::S);
  CHECK(slow.speed == Letter::B);
  CHECK(slow.limited_by == GradeLimit::speed);

  const auto tight = make_grade(0.03, 100.0, false, true);
  CHECK(tight.letter == Letter::C);
  CHECK(tight.limited_by == GradeLimit::memory);
}

TEST_CASE("a placement that does not fit is F whatever its speed", "[grade]")
{
  const auto grade = make_grade(-0.1, 100.0, false, true);
  CHECK(grade.letter == Letter::F);
  CHECK(grade.speed == Letter::S);
  CHECK(grade.limited_by == GradeLimit::memory);
}

TEST_CASE("without a known speed only a placement in RAM is capped", "[grade]")
{
  CHECK(make_grade(0.5, std::nullopt, true, true).letter == Letter::C);
  CHECK(make_grade(0.5, std::nullopt, true, true).limited_by == GradeLimit::speed);
  CHECK(make_grade(0.01, std::nullopt, true, true).letter == Letter::D);
  CHECK(make_grade(0.5, std::nullopt, false, true).letter == Letter::S);
  CHECK(make_grade(0.5, std::nullopt, false, true).speed == std::nullopt);
}

TEST_CASE("an embedding model has a memory letter only", "[grade]")
{
  const auto grade = make_grade(0.5, 1.0, true, false);
  CHECK(grade.letter == Letter::S);
  CHECK(grade.speed == std::nullopt);
}

TEST_CASE("the table of thresholds falls from S to D", "[grade]")
{
  const auto table = grade_thresholds();
  REQUIRE(table.size() == 5);
  for (std::size_t i = 1; i < table.size(); ++i) {
    CHECK(table[i].letter < table[i - 1].letter);
    CHECK(table[i].min_headroom < table[i - 1].min_headroom);
    CHECK(table[i].min_tokens_per_second < table[i - 1].min_tokens_per_second);
  }
}

TEST_CASE("letters, limits and choices are read back as they are printed", "[grade]")
{
  for (const auto letter : {Letter::F, Letter::D, Letter::C, Letter::B, Letter::A, Letter::S}) {
    CHECK(parse_letter(name(letter)) == letter);
  }
  CHECK(parse_letter("s") == Letter::S);
  CHECK(parse_letter("E") == std::nullopt);
  CHECK(parse_letter("") == std::nullopt);
  for (const auto b : {Backend::cpu, Backend::cuda, Backend::vulkan, Backend::rocm, Backend::metal}) {
    CHECK(parse_backend(name(b)) == b);
  }
  CHECK(parse_runtime("Ollama") == Runtime::ollama);
  CHECK(parse_runtime("tgi") == std::nullopt);
  CHECK(parse_flash_attention("auto") == FlashAttention::automatic);
  CHECK(parse_budget_kind("free") == BudgetKind::free);
  CHECK(name(Placement::Mode::split) == "split");
  CHECK(name(SpeedLimit::memory_bandwidth) == "memory_bandwidth");
  CHECK(name(SpeedBasis::assumed) == "assumed");
}
