#include "canirun/core/grade.hpp"

#include <algorithm>
#include <array>

namespace canirun {

namespace {

// Headroom: what stays free absorbs other programs, a driver's growth and the estimate's own error (about 1 %).
// Text: 30 t/s outruns any reader, 8 t/s is a quick one, 4 t/s a slow one. Images: a person waits for a picture. Speech: below
// real time it falls behind a speaker; twice that leaves room for a second stream or a slow passage.
constexpr auto k_thresholds = std::to_array<GradeThreshold>({
    {Letter::S, 0.25, 30, 10, 8},
    {Letter::A, 0.12, 15, 30, 4},
    {Letter::B, 0.06, 8, 60, 2},
    {Letter::C, 0.02, 4, 180, 1},
    {Letter::D, 0.00, 0, 0, 0},
});

}  // namespace

std::span<const GradeThreshold> grade_thresholds() { return k_thresholds; }

Letter memory_letter(double headroom)
{
  for (const auto& t : k_thresholds) {
    if (headroom >= t.min_headroom) return t.letter;
  }
  return Letter::F;
}

Letter speed_letter(double tokens_per_second)
{
  for (const auto& t : k_thresholds) {
    if (tokens_per_second >= t.min_tokens_per_second) return t.letter;
  }
  return Letter::D;
}

Letter image_speed_letter(double seconds_per_image)
{
  for (const auto& t : k_thresholds) {
    if (t.max_seconds_per_image == 0 || seconds_per_image <= t.max_seconds_per_image) return t.letter;
  }
  return Letter::D;
}

Letter speech_speed_letter(double times_real_time)
{
  for (const auto& t : k_thresholds) {
    if (times_real_time >= t.min_times_real_time) return t.letter;
  }
  return Letter::D;
}

Grade combine_letters(Letter memory, std::optional<Letter> speed, bool needs_ram, bool speed_applies)
{
  Grade grade;
  grade.memory = memory;
  Letter other = Letter::S;
  if (speed_applies && speed) {
    grade.speed = speed;
    other = *speed;
  } else if (speed_applies && needs_ram) {
    other = k_best_letter_in_ram_unmeasured;
  }
  grade.letter = std::min(grade.memory, other);
  grade.limited_by = other < grade.memory ? GradeLimit::speed : GradeLimit::memory;
  return grade;
}

Grade make_grade(double headroom, std::optional<double> tokens_per_second, bool needs_ram, bool speed_applies)
{
  const auto speed = tokens_per_second ? std::optional(speed_letter(*tokens_per_second)) : std::nullopt;
  return combine_letters(memory_letter(headroom), speed, needs_ram, speed_applies);
}

}  // namespace canirun
