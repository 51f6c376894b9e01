#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "canirun/core/result.hpp"

/// \file
/// Profiles one by one out of a file or a pipe, without holding more than one.

namespace canirun {

/// The text of one profile, not parsed yet.
struct ProfileRecord {
  std::string text;
  std::uint64_t line = 1;  ///< Where it starts.
  bool too_long = false;   ///< Longer than any profile: `text` is empty, what follows it is read on.
};

/// Splits NDJSON (a profile a line), profiles that are spread over lines as `canirun probe --json` prints them, and any number of
/// these after each other. What is broken becomes a record of its own and does not swallow its neighbours.
class ProfileRecords {
 public:
  /// A profile of a machine with many GPUs is some tens of KiB.
  static constexpr std::size_t k_largest = std::size_t{4} << 20;

  /// Fills a buffer; the number of bytes, 0 at the end. Errors: io.
  using Read = std::function<Result<std::size_t>(char* buffer, std::size_t size)>;
  /// `document`: a file that holds one JSON document, however it is spread over lines; else a stream.
  ProfileRecords(Read read, bool document) : read_(std::move(read)), document_(document) {}

  /// The next record, or nothing at the end.
  Result<std::optional<ProfileRecord>> next();

 private:
  struct Line {
    std::string text;
    std::uint64_t number = 0;
    bool too_long = false;
  };
  Result<std::optional<Line>> next_line();
  Result<std::optional<ProfileRecord>> rest_of(Line first, const std::function<bool(const std::string&)>& ends);

  Read read_;
  bool document_;
  std::string buffer_;
  std::size_t at_ = 0;
  std::uint64_t lines_ = 0;
  bool ended_ = false;
  std::optional<Line> pushed_back_;
};

}  // namespace canirun
