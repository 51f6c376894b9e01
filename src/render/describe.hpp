#pragma once

#include <string>
#include <vector>

#include "canirun/core/report.hpp"
#include "style.hpp"

/// \file
/// Parts of a report in words, shared by the renderers for people.

namespace canirun {

/// This machine in two or three lines: GPUs, CPU, RAM.
std::vector<std::string> machine_lines(const HardwareProfile& hardware, const Style& style);

/// "Q4_K_M", or the label of a file of an unknown mix.
std::string quant_text(const QuantReport& row);
/// "GPU", "2 GPUs", "GPU + RAM (40/81)", "GPU, experts in RAM", "CPU", "does not fit".
std::string where_text(const QuantReport& row);
/// What `speed_text` of a model's rows counts: "t/s", "s/image", "s/video", "real time".
std::string speed_unit(const ModelReport& model);
/// "24" tokens a second, "12 s" an image, "8.2x" real time, or "?" where no bandwidth is known.
std::string speed_text(const QuantReport& row);
/// "12–18", or "?".
std::string speed_range_text(const QuantReport& row, const Style& style);
/// Smallest room left on a device, as a share of its budget.
double headroom_share(const QuantReport& row);

}  // namespace canirun
