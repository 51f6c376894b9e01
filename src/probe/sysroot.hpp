#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canirun {

/// The folder that stands in for `/` (CANIRUN_SYSROOT). Nothing read through it can hang or flood the program: only regular
/// files are read, without blocking, and only their first part.
class Sysroot {
 public:
  explicit Sysroot(std::filesystem::path root = "/") : root_(std::move(root)) {}

  /// Is this the machine itself, not a captured one?
  bool is_this_machine() const { return root_ == "/"; }
  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path path(std::string_view inside) const;

  /// The first `limit` bytes of a file, or nothing when it cannot be read.
  std::optional<std::string> read(std::string_view file, std::size_t limit = 65536) const;
  /// The first line, without blanks at its ends.
  std::optional<std::string> line(std::string_view file) const;
  /// The first line as a decimal or 0x-prefixed number.
  std::optional<std::uint64_t> number(std::string_view file) const;
  /// Names in a folder, sorted; empty when there is no such folder. At most 4096.
  std::vector<std::string> list(std::string_view folder) const;
  bool exists(std::string_view file) const;
  /// The last component of a symbolic link's target, e.g. the driver's name.
  std::optional<std::string> link_name(std::string_view link) const;

 private:
  std::filesystem::path root_;
};

/// A whole decimal or 0x-prefixed number; nothing when there is anything else in `text`.
std::optional<std::uint64_t> parse_number(std::string_view text);
std::string_view trim(std::string_view text);
/// Parts of `text` between `separator`s; empty parts are kept.
std::vector<std::string_view> split(std::string_view text, char separator);
/// Text fit to show: valid UTF-8 without control characters, at most 128 bytes; nothing when it is not text.
std::optional<std::string> clean_text(std::string_view text);

}  // namespace canirun
