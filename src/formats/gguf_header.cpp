#include "gguf_header.hpp"

#include <algorithm>
#include <limits>
#include <unordered_set>

#include <fmt/core.h>

#include "byte_reader.hpp"

namespace canirun {

namespace {

constexpr std::uint64_t k_max_header = std::uint64_t{128} << 20;
constexpr std::uint64_t k_max_keys = 65536;
constexpr std::uint64_t k_max_tensors = 131072;
constexpr std::uint64_t k_max_key_length = 65535;  // gguf.md: keys are at most 2^16 - 1 bytes
constexpr std::uint64_t k_max_name_length = 63;    // GGML_MAX_NAME - 1
constexpr std::uint64_t k_kept_string = 4096;      // names are shorter; chat templates are not kept
constexpr std::uint64_t k_kept_array = 1024;       // twice as many as llama.cpp's limit of layers
constexpr std::uint64_t k_max_elements = std::uint64_t{1} << 62;

/// Value types as numbered in the file (gguf.h: enum gguf_type).
enum class ValueType : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

std::uint64_t bytes_of(ValueType type)
{
  switch (type) {
    case ValueType::u8:
    case ValueType::i8:
    case ValueType::boolean: return 1;
    case ValueType::u16:
    case ValueType::i16: return 2;
    case ValueType::u32:
    case ValueType::i32:
    case ValueType::f32: return 4;
    case ValueType::u64:
    case ValueType::i64:
    case ValueType::f64: return 8;
    case ValueType::string: return 8;  // at least its length
    case ValueType::array: return 0;
  }
  return 0;
}

class HeaderReader {
 public:
  HeaderReader(ByteReader& in, std::string file) : in_(in), file_(std::move(file)) {}

  Result<GgufHeader> read()
  {
    header_.file_bytes = in_.size();
    if (start() && keys() && tensors()) return std::move(header_);
    return fail(ErrorKind::parse, std::move(problem_));
  }

 private:
  bool bad(std::uint64_t offset, std::string_view what)
  {
    if (problem_.empty()) problem_ = fmt::format("{}: offset {}: {}", file_, offset, what);
    return false;
  }

  /// False when the file has ended, or when more header was read than any model has.
  bool alive(std::string_view doing)
  {
    if (!in_.ok()) return bad(in_.offset(), fmt::format("the file ends inside {}", doing));
    if (in_.offset() > k_max_header) return bad(in_.offset(), "the header is larger than 128 MiB, which no model has");
    return true;
  }

  bool start()
  {
    char magic[4] = {};
    in_.take(magic, sizeof magic);
    if (!in_.ok() || std::string_view(magic, 4) != "GGUF") return bad(0, "this is not a GGUF file");
    header_.version = in_.read<std::uint32_t>();
    if ((header_.version & 0xFFFF) == 0 && header_.version != 0) {
      header_.big_endian = true;
      header_.version = __builtin_bswap32(header_.version);
      in_.swap_bytes(std::endian::native == std::endian::little);
    }
    if (in_.ok() && (header_.version < 2 || header_.version > 3)) {
      return bad(4, fmt::format("GGUF version {} cannot be read, only 2 and 3", header_.version));
    }
    n_tensors_ = in_.read<std::uint64_t>();
    n_keys_ = in_.read<std::uint64_t>();
    if (!alive("its first 24 bytes")) return false;
    if (n_tensors_ > k_max_tensors)
      return bad(8, fmt::format("{} tensors are claimed, at most {} are read", n_tensors_, k_max_tensors));
    if (n_keys_ > k_max_keys) return bad(16, fmt::format("{} keys are claimed, at most {} are read", n_keys_, k_max_keys));
    return true;
  }

  /// A string of at most `limit` bytes.
  bool short_string(std::string& out, std::uint64_t limit, std::string_view what)
  {
    const auto offset = in_.offset();
    const auto length = in_.read<std::uint64_t>();
    if (!alive(what)) return false;
    if (length > limit) return bad(offset, fmt::format("{} has {} bytes, at most {} are allowed", what, length, limit));
    out.resize(static_cast<std::size_t>(length));
    in_.take(out.data(), out.size());
    return alive(what);
  }

  bool keys()
  {
    for (std::uint64_t i = 0; i < n_keys_; ++i) {
      const auto offset = in_.offset();
      std::string key;
      if (!short_string(key, k_max_key_length, fmt::format("key {}", i))) return false;
      if (key.empty()) return bad(offset, fmt::format("key {} has no name", i));
      GgufValue value;
      value.offset = offset;
      if (!read_value(key, value)) return false;
      if (!header_.values.emplace(std::move(key), std::move(value)).second)
        return bad(offset, fmt::format("key {} is given twice", i));
    }
    return true;
  }

  bool read_value(const std::string& key, GgufValue& value)
  {
    const auto named = [&](std::string_view what) { return fmt::format("key '{}' {}", printable(key), what); };
    auto type = in_.read<ValueType>();
    if (type == ValueType::array) {
      value.is_array = true;
      type = in_.read<ValueType>();
      value.length = in_.read<std::uint64_t>();
    }
    if (!alive(fmt::format("key '{}'", printable(key)))) return false;
    if (type > ValueType::f64 || type == ValueType::array) {
      return bad(value.offset, named(fmt::format("has the unknown type {}", static_cast<std::uint32_t>(type))));
    }
    const auto each = bytes_of(type);
    if (value.length > in_.left() / each) {
      return bad(value.offset, named(fmt::format("claims {} values, more than the file holds", value.length)));
    }
    if (type == ValueType::string) return read_strings(key, value);

    value.kind = type == ValueType::boolean                         ? GgufValue::Kind::boolean
                 : type == ValueType::f32 || type == ValueType::f64 ? GgufValue::Kind::real
                                                                    : GgufValue::Kind::whole;
    if (value.length > k_kept_array) {
      in_.skip(value.length * each);
    } else {
      for (std::uint64_t i = 0; i < value.length; ++i) read_number(type, value);
    }
    return alive(fmt::format("key '{}'", printable(key)));
  }

  bool read_strings(const std::string& key, GgufValue& value)
  {
    value.kind = GgufValue::Kind::string;
    for (std::uint64_t i = 0; i < value.length; ++i) {
      const auto length = in_.read<std::uint64_t>();
      if (!in_.ok() || length > in_.left())
        return bad(value.offset, fmt::format("a string of key '{}' runs past the end of the file", printable(key)));
      if (!value.is_array && length <= k_kept_string) {
        value.string.resize(static_cast<std::size_t>(length));
        in_.take(value.string.data(), value.string.size());
      } else {
        in_.skip(length);
      }
      if (in_.offset() > k_max_header) break;
    }
    return alive(fmt::format("key '{}'", printable(key)));
  }

  void read_number(ValueType type, GgufValue& value)
  {
    const auto whole = [&](auto v) { value.whole.push_back(static_cast<std::int64_t>(v)); };
    switch (type) {
      case ValueType::u8: return whole(in_.read<std::uint8_t>());
      case ValueType::i8: return whole(in_.read<std::int8_t>());
      case ValueType::u16: return whole(in_.read<std::uint16_t>());
      case ValueType::i16: return whole(in_.read<std::int16_t>());
      case ValueType::u32: return whole(in_.read<std::uint32_t>());
      case ValueType::i32: return whole(in_.read<std::int32_t>());
      case ValueType::boolean: return whole(in_.read<std::uint8_t>() != 0);
      case ValueType::u64:
        return whole(std::min<std::uint64_t>(in_.read<std::uint64_t>(), std::numeric_limits<std::int64_t>::max()));
      case ValueType::i64: return whole(in_.read<std::int64_t>());
      case ValueType::f32: value.real.push_back(static_cast<double>(in_.read<float>())); return;
      case ValueType::f64: value.real.push_back(in_.read<double>()); return;
      case ValueType::string:
      case ValueType::array: return;
    }
  }

  bool tensors()
  {
    std::uint64_t alignment = 32;  // GGUF_DEFAULT_ALIGNMENT
    if (const auto* value = header_.find("general.alignment")) {
      if (value->is_array || value->whole.size() != 1 || value->whole[0] < 1 || value->whole[0] > (1 << 30) ||
          !std::has_single_bit(static_cast<std::uint64_t>(value->whole[0]))) {
        return bad(value->offset, "key 'general.alignment' is not a power of two");
      }
      alignment = static_cast<std::uint64_t>(value->whole[0]);
    }
    // Each tensor takes at least 8 + 4 + 4 + 8 bytes of header.
    if (n_tensors_ > in_.left() / 24) return bad(8, fmt::format("{} tensors are claimed, more than the file holds", n_tensors_));
    header_.tensors.reserve(static_cast<std::size_t>(n_tensors_));
    std::unordered_set<std::string> names;
    std::uint64_t expected = 0;
    for (std::uint64_t i = 0; i < n_tensors_; ++i) {
      const auto offset = in_.offset();
      FileTensor tensor;
      std::uint64_t size = 0;
      if (!read_tensor(i, tensor, size)) return false;
      const auto at = in_.read<std::uint64_t>();
      if (!alive("the list of tensors")) return false;
      const auto name = printable(tensor.name);
      if (!names.insert(tensor.name).second) return bad(offset, fmt::format("tensor '{}' is given twice", name));
      if (at != expected) {
        return bad(offset, fmt::format("the data of tensor '{}' is said to be at {}, but {} is where the one before it ends",
                                       name, at, expected));
      }
      if (size > k_max_elements - expected) return bad(offset, fmt::format("tensor '{}' is larger than any machine", name));
      expected += (size + alignment - 1) / alignment * alignment;
      data_end_ = std::max(data_end_, at + size);
      header_.tensors.push_back(std::move(tensor));
    }
    const auto data = (in_.offset() + alignment - 1) / alignment * alignment;
    if (data_end_ > 0 && (in_.size() < data || in_.size() - data < data_end_)) {
      return bad(in_.size(),
                 fmt::format("the file is cut off: its tensors need {} bytes, it has {}", data + data_end_, in_.size()));
    }
    return true;
  }

  bool read_tensor(std::uint64_t i, FileTensor& tensor, std::uint64_t& size)
  {
    const auto offset = in_.offset();
    if (!short_string(tensor.name, k_max_name_length, fmt::format("the name of tensor {}", i))) return false;
    const auto name = printable(tensor.name);
    const auto n_dims = in_.read<std::uint32_t>();
    if (!alive("the list of tensors")) return false;
    if (n_dims > 4) return bad(offset, fmt::format("tensor '{}' has {} dimensions, at most 4 are allowed", name, n_dims));
    std::uint64_t elements = 1;
    for (std::uint32_t d = 0; d < n_dims; ++d) {
      const auto n = in_.read<std::uint64_t>();
      if (n != 0 && elements > k_max_elements / n)
        return bad(offset, fmt::format("tensor '{}' has more elements than any machine can hold", name));
      elements *= n;
      tensor.shape.push_back(n);
    }
    const auto number = in_.read<std::uint32_t>();
    if (!alive("the list of tensors")) return false;
    const auto type = known_tensor_type(number);
    if (!type)
      return bad(offset, fmt::format("tensor '{}' has the type {}, which is unknown or was removed from ggml", name, number));
    tensor.type = *type;
    const auto& block = traits(*type);
    const auto row = tensor.shape.empty() ? 1 : tensor.shape[0];
    if (row % block.block_weights) {
      return bad(offset, fmt::format("tensor '{}' has rows of {} weights, {} needs a multiple of {}", name, row, block.name,
                                     block.block_weights));
    }
    const auto blocks = elements / block.block_weights;
    if (blocks > k_max_elements / block.block_bytes)
      return bad(offset, fmt::format("tensor '{}' is larger than any machine", name));
    size = blocks * block.block_bytes;
    return true;
  }

  /// A name of a file without what would disturb a terminal.
  static std::string printable(std::string_view text)
  {
    std::string out(text.substr(0, 100));
    std::ranges::replace_if(
        out, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
    return out;
  }

  ByteReader& in_;
  std::string file_;
  GgufHeader header_;
  std::uint64_t n_tensors_ = 0;
  std::uint64_t n_keys_ = 0;
  std::uint64_t data_end_ = 0;
  std::string problem_;
};

}  // namespace

Result<GgufHeader> read_gguf_header(const std::filesystem::path& file)
{
  auto in = ByteReader::open(file);
  if (!in) return tl::unexpected(std::move(in.error()));
  return HeaderReader(*in, file.string()).read();
}

}  // namespace canirun
