#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "canirun/core/result.hpp"

namespace canirun {

/// Reads a file in order through a window of 256 KiB and jumps over what nobody wants. `ok()` turns false at the end of the file
/// or on a read error and stays so; values read after that are 0.
class ByteReader {
 public:
  static Result<ByteReader> open(const std::filesystem::path& file);
  ByteReader(ByteReader&& other) noexcept;
  ByteReader& operator=(ByteReader&&) = delete;
  ~ByteReader();

  std::uint64_t size() const { return size_; }
  std::uint64_t offset() const { return at_; }
  std::uint64_t left() const { return size_ - at_; }
  bool ok() const { return ok_; }
  void swap_bytes(bool swap) { swap_ = swap; }

  template <typename T>
  T read()
  {
    std::array<std::byte, sizeof(T)> bytes{};
    const auto start = at_ - window_at_;
    if (ok_ && at_ >= window_at_ && start + sizeof(T) <= window_.size()) {
      std::memcpy(bytes.data(), window_.data() + start, sizeof(T));  // the usual case: millions of lengths of strings
      at_ += sizeof(T);
    } else {
      take(bytes.data(), bytes.size());
    }
    if (swap_) std::ranges::reverse(bytes);
    return std::bit_cast<T>(bytes);
  }
  void take(void* out, std::size_t n);
  void skip(std::uint64_t n);

 private:
  ByteReader(int fd, std::uint64_t size) : fd_(fd), size_(size) {}
  void fill();

  int fd_ = -1;
  std::uint64_t size_ = 0;
  std::uint64_t at_ = 0;
  std::uint64_t window_at_ = 0;
  std::vector<std::byte> window_;
  bool ok_ = true;
  bool swap_ = false;
};

}  // namespace canirun
