#pragma once

#include <compare>
#include <optional>
#include <span>
#include <string_view>

#include "canirun/core/units.hpp"

namespace canirun {

/// Worst first, so that `<` reads "worse than".
enum class Letter { F, D, C, B, A, S };

enum class GradeLimit { memory, speed };

/// The two letters and the worse one, which is the grade (docs/grading.md).
struct Grade {
  Letter letter = Letter::F;
  Letter memory = Letter::F;
  std::optional<Letter> speed;  ///< Absent where bandwidth is unknown, and for embedding models.
  GradeLimit limited_by = GradeLimit::memory;
};

/// What a letter asks for: the one table behind every grade, `--explain` and docs/grading.md.
struct GradeThreshold {
  Letter letter = Letter::F;
  double min_headroom = 0;           ///< Share of the budget that stays free, smallest over the devices used.
  double min_tokens_per_second = 0;  ///< Text generation.
  double max_seconds_per_image = 0;  ///< Image models at their native size, videos a latent frame; 0 = no limit.
  double min_times_real_time = 0;    ///< Speech: seconds of sound in a second.
};
/// S first, D last; what meets none of them is F.
std::span<const GradeThreshold> grade_thresholds();

/// Letter of headroom = (budget − need) / budget, the smallest over the devices used; negative does not fit.
Letter memory_letter(double headroom);
/// Letter of a text-generation rate in tokens a second.
Letter speed_letter(double tokens_per_second);
/// Letter of an image model's seconds per image.
Letter image_speed_letter(double seconds_per_image);
/// Letter of a speech model that handles so many seconds of sound in a second.
Letter speech_speed_letter(double times_real_time);
/// Best letter of a placement that needs RAM when the speed is unknown: the weights there are read at a rate nobody measured.
inline constexpr Letter k_best_letter_in_ram_unmeasured = Letter::C;
/// The grade from both; a placement that needs RAM without a known speed is capped at C.
Grade make_grade(double headroom, std::optional<double> tokens_per_second, bool needs_ram, bool speed_applies);
/// The same with the speed letter found already.
Grade combine_letters(Letter memory, std::optional<Letter> speed, bool needs_ram, bool speed_applies);

std::string_view name(Letter letter);
std::optional<Letter> parse_letter(std::string_view text);
std::string_view name(GradeLimit limit);

}  // namespace canirun
