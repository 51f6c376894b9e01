#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// \file
/// Where data files are looked for: a value, so that only its callers open files.

namespace canirun {

/// What decides where data files are looked for; filled from the environment by the program.
struct DataEnvironment {
  std::string data_dir;         ///< $CANIRUN_DATA_DIR, "" = unset.
  std::string xdg_config_home;  ///< $XDG_CONFIG_HOME, "" = unset.
  std::string home;             ///< $HOME, "" = unset.
};

/// A data file to read: an optional one may be absent, one that a user names must be there.
struct DataFile {
  std::filesystem::path path;
  bool required = false;
  friend bool operator==(const DataFile&, const DataFile&) = default;
};

/// Where data comes from, weakest first. Empty `replaces` = the copy compiled in is the base.
struct DataPaths {
  std::optional<DataFile> replaces;  ///< $CANIRUN_DATA_DIR/NAME stands in for the compiled-in file.
  std::vector<DataFile> additions;   ///< $XDG_CONFIG_HOME/canirun/NAME (else ~/.config/canirun/NAME), then the user's own files.
};
DataPaths data_paths(std::string_view name, const DataEnvironment& environment, std::span<const std::filesystem::path> extra);

}  // namespace canirun
