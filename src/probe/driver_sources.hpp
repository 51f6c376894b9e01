#pragma once

#include <optional>
#include <span>
#include <vector>

#include "probe/child.hpp"
#include "probe/source.hpp"
#include "probe/sysroot.hpp"

/// \file
/// Sources that open a driver, each in a child process.

namespace canirun {

/// What the Vulkan child's lines say. Figures that cannot be are dropped with a note.
Facts vulkan_facts(std::span<const nlohmann::json> lines);
/// What the NVML child's lines say.
Facts nvml_facts(std::span<const nlohmann::json> lines);

/// What the lines of the child for Intel's kernel drivers say.
Facts drm_facts(std::span<const nlohmann::json> lines);

/// Driver manifests the Vulkan loader would read, in its order, as the environment and the loader's documentation say.
std::vector<std::string> icd_manifests();

/// Vulkan: one child for all drivers; when that one crashes or hangs, one child per driver, at the same time.
class VulkanSource : public ProbeSource {
 public:
  /// Starts the child. `changes` are added to its environment; `measure` also copies memory, which takes seconds more.
  VulkanSource(std::chrono::milliseconds timeout, std::vector<std::string> changes, bool measure = false);
  std::string_view name() const override { return "vulkan"; }
  Result<Facts> read() override;

 private:
  Result<Facts> read_each_driver(Facts whole);

  std::string what_;  ///< The child's part: "vulkan" or "vulkan-measure".
  std::vector<std::string> changes_;
  Clock::time_point halfway_, deadline_;
  Result<ChildProcess> child_;
};

class NvmlSource : public ProbeSource {
 public:
  explicit NvmlSource(std::chrono::milliseconds timeout);
  std::string_view name() const override { return "nvml"; }
  Result<Facts> read() override;

 private:
  Clock::time_point deadline_;
  Result<ChildProcess> child_;
};

/// Intel's kernel drivers i915 and xe: memory regions, by ioctl.
class DrmSource : public ProbeSource {
 public:
  explicit DrmSource(std::chrono::milliseconds timeout);
  std::string_view name() const override { return "drm"; }
  Result<Facts> read() override;

 private:
  Clock::time_point deadline_;
  Result<ChildProcess> child_;
};

/// Values of a child's line; nothing when the key is missing or of another type.
std::optional<std::uint64_t> number(const nlohmann::json& line, const char* key);
std::optional<std::string> text(const nlohmann::json& line, const char* key);

}  // namespace canirun
