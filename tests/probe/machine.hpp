#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "canirun/probe/doctor.hpp"

/// \file
/// A machine as a test: tests/fixtures/machines/NAME.json says what its files, its Vulkan drivers and its NVML answer, and what
/// must come out. docs/contributing.md tells how to add one.

namespace canirun {

/// A machine laid out in a temporary folder: its root, its drivers, its environment. Everything is undone when it goes away.
class FixtureMachine {
 public:
  explicit FixtureMachine(const nlohmann::json& description);
  ~FixtureMachine();
  FixtureMachine(const FixtureMachine&) = delete;
  FixtureMachine& operator=(const FixtureMachine&) = delete;

  /// Examines it as the program would.
  ProbeTrace probe(ProbeOptions options = {}) const;
  const std::filesystem::path& folder() const { return folder_; }

 private:
  void write(const std::string& file, const std::string& content) const;
  void write_pci(const nlohmann::json& device) const;
  void write_memory(const nlohmann::json& description) const;
  void write_drivers(const nlohmann::json& description);
  void set(const std::string& variable, const std::string& value);

  std::filesystem::path folder_;
  std::map<std::string, std::string> before_;  ///< Variables as they were; "\x01" = not set.
};

/// What differs between the profile and what the fixture expects, one line each; empty = right.
std::string differences(const HardwareProfile& profile, const nlohmann::json& expected);

}  // namespace canirun
