#pragma once

#include <compare>
#include <optional>
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

/// Letter of headroom = (budget − need) / budget, the smallest over the devices used; negative does not fit.
Letter memory_letter(double headroom);
/// Letter of a text-generation rate in tokens a second.
Letter speed_letter(double tokens_per_second);
/// The grade from both; a placement that needs RAM without a known speed is capped at C.
Grade make_grade(double headroom, std::optional<double> tokens_per_second, bool needs_ram, bool speed_applies);

std::string_view name(Letter letter);
std::optional<Letter> parse_letter(std::string_view text);
std::string_view name(GradeLimit limit);

}  // namespace canirun
