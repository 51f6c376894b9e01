#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

/// \file
/// Writes small GGUF files for tests, right and wrong ones (ggml/docs/gguf.md).

/// A folder that is removed again.
class TemporaryFolder {
 public:
  TemporaryFolder()
  {
    auto name = (std::filesystem::temp_directory_path() / "canirun-test-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder()
  {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

class GgufWriter {
 public:
  std::uint32_t version = 3;
  bool big_endian = false;
  std::uint64_t extra_keys = 0;  ///< Claimed beyond those that follow.
  std::uint64_t extra_tensors = 0;

  template <typename T>
  void number(std::string& out, T value) const
  {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    if (big_endian != (std::endian::native == std::endian::big)) std::reverse(std::begin(bytes), std::end(bytes));
    out.append(bytes, sizeof(T));
  }
  void text(std::string& out, std::string_view s) const
  {
    number<std::uint64_t>(out, s.size());
    out.append(s);
  }

  void key(std::string_view name, std::uint32_t type)
  {
    text(keys_, name);
    number(keys_, type);
    ++n_keys_;
  }
  void u32(std::string_view name, std::uint32_t value) { key(name, 4), number(keys_, value); }
  void u16(std::string_view name, std::uint16_t value) { key(name, 2), number(keys_, value); }
  void i32(std::string_view name, std::int32_t value) { key(name, 5), number(keys_, value); }
  void f32(std::string_view name, float value) { key(name, 6), number(keys_, value); }
  void boolean(std::string_view name, bool value) { key(name, 7), number<std::uint8_t>(keys_, value); }
  void string(std::string_view name, std::string_view value) { key(name, 8), text(keys_, value); }
  void u32s(std::string_view name, const std::vector<std::uint32_t>& values)
  {
    key(name, 9), number<std::uint32_t>(keys_, 4), number<std::uint64_t>(keys_, values.size());
    for (const auto v : values) number(keys_, v);
  }
  void booleans(std::string_view name, const std::vector<bool>& values)
  {
    key(name, 9), number<std::uint32_t>(keys_, 7), number<std::uint64_t>(keys_, values.size());
    for (const auto v : values) number<std::uint8_t>(keys_, v);
  }
  void strings(std::string_view name, std::size_t n)
  {
    key(name, 9), number<std::uint32_t>(keys_, 8), number<std::uint64_t>(keys_, n);
    for (std::size_t i = 0; i < n; ++i) text(keys_, "token" + std::to_string(i));
  }
  /// Whatever bytes a test wants after the last key.
  void raw(std::string_view bytes) { keys_ += bytes; }

  /// `size` bytes of data at the next free place, or at `at`.
  void tensor(std::string_view name, const std::vector<std::uint64_t>& shape, std::uint32_t type, std::uint64_t size,
              std::int64_t at = -1)
  {
    text(tensors_, name);
    number<std::uint32_t>(tensors_, static_cast<std::uint32_t>(shape.size()));
    for (const auto n : shape) number(tensors_, n);
    number(tensors_, type);
    number<std::uint64_t>(tensors_, at < 0 ? data_ : static_cast<std::uint64_t>(at));
    data_ = (data_ + size + 31) / 32 * 32;
    ++n_tensors_;
  }
  /// A matrix of f32.
  void f32_tensor(std::string_view name, const std::vector<std::uint64_t>& shape)
  {
    std::uint64_t n = 4;
    for (const auto d : shape) n *= d;
    tensor(name, shape, 0, n);
  }

  std::string header() const
  {
    std::string out = "GGUF";
    number(out, version);
    number<std::uint64_t>(out, n_tensors_ + extra_tensors);
    number<std::uint64_t>(out, n_keys_ + extra_keys);
    return out + keys_ + tensors_;
  }
  /// The header and its data, as a hole.
  void write(const std::filesystem::path& file) const
  {
    const auto bytes = header();
    std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (data_ > 0) std::filesystem::resize_file(file, (bytes.size() + 31) / 32 * 32 + data_);
  }

 private:
  std::string keys_;
  std::string tensors_;
  std::uint64_t n_keys_ = 0;
  std::uint64_t n_tensors_ = 0;
  std::uint64_t data_ = 0;
};
