#include "json_tree.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/core.h>

namespace canirun {

namespace {

constexpr std::uint32_t k_max_depth = 64;
constexpr std::size_t k_max_text = std::size_t{32} << 20;
constexpr std::size_t k_max_nodes = 2'000'000;

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Bytes that end a run of plain text in a string: the quotation mark, an escape, control characters. A table: strings are half of
/// the catalogue's text.
constexpr auto k_ends_run = [] {
  std::array<bool, 256> ends{};
  for (std::size_t c = 0; c < 0x20; ++c) ends[c] = true;
  ends['"'] = ends['\\'] = true;
  return ends;
}();

std::string position(std::string_view text, std::string_view file, std::size_t offset)
{
  const auto before = text.substr(0, offset);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const auto start = before.rfind('\n');
  const auto column = start == std::string_view::npos ? offset + 1 : offset - start;
  return fmt::format("{}:{}:{}", file, line, column);
}

void append_utf8(std::string& out, std::uint32_t code)
{
  const auto put = [&](std::uint32_t byte) { out.push_back(static_cast<char>(static_cast<unsigned char>(byte))); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | (code >> 6));
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3F));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

}  // namespace

std::string_view name(JsonKind kind)
{
  switch (kind) {
    case JsonKind::null: return "null";
    case JsonKind::boolean: return "true or false";
    case JsonKind::whole: return "a whole number";
    case JsonKind::real: return "a number";
    case JsonKind::string: return "a string";
    case JsonKind::array: return "a list";
    case JsonKind::object: return "an object";
  }
  return "null";
}

/// Recursive descent over one text. A failing function stores the first problem and returns false.
class JsonParser {
 public:
  JsonParser(JsonDocument& document, std::string_view list, const JsonDocument::Visit* visit)
      : doc_(document), text_(document.text_), list_(list), visit_(visit)
  {
  }

  bool parse_document()
  {
    doc_.nodes_.reserve(text_.size() / 12 + 8);
    doc_.nodes_.emplace_back();
    if (!value(0, 0)) return false;
    skip_space();
    return at_ == text_.size() || bad("there is text after the end of the document");
  }

  bool stopped() const { return stopped_; }  ///< By the visitor: there is no problem.
  const std::string& problem() const { return problem_; }
  std::size_t at() const { return at_; }

 private:
  bool bad(std::string_view problem)
  {
    problem_ = problem;
    return false;
  }

  void skip_space()
  {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }

  bool value(std::uint32_t index, std::uint32_t depth)
  {
    if (depth > k_max_depth) return bad("lists and objects are nested more than 64 deep");
    skip_space();
    if (at_ == text_.size()) return bad("the text ends too early");
    node(index).offset = static_cast<std::uint32_t>(at_);
    switch (text_[at_]) {
      case '{': return container(index, depth, '}');
      case '[': return container(index, depth, ']');
      case '"': node(index).kind = JsonKind::string; return string(node(index).string);
      case 't': return word(index, "true", JsonKind::boolean, 1);
      case 'f': return word(index, "false", JsonKind::boolean, 0);
      case 'n': return word(index, "null", JsonKind::null, 0);
      default: return number(index);
    }
  }

  bool word(std::uint32_t index, std::string_view text, JsonKind kind, std::uint64_t whole)
  {
    if (text_.substr(at_, text.size()) != text) return bad("this is not a JSON value");
    at_ += text.size();
    node(index).kind = kind;
    node(index).whole = whole;
    return true;
  }

  bool container(std::uint32_t index, std::uint32_t depth, char close)
  {
    const bool object = close == '}';
    node(index).kind = object ? JsonKind::object : JsonKind::array;
    ++at_;
    skip_space();
    if (at_ < text_.size() && text_[at_] == close) return ++at_, true;
    for (std::uint32_t previous = 0;;) {
      if (doc_.nodes_.size() >= k_max_nodes) return bad("more than two million values");
      const auto child = static_cast<std::uint32_t>(doc_.nodes_.size());
      doc_.nodes_.emplace_back();
      if (object) {
        skip_space();
        if (at_ == text_.size() || text_[at_] != '"') return bad("a key in quotation marks is expected");
        const auto key_at = at_;
        if (!string(node(child).key)) return false;
        if (repeated(index, node(child).key)) return at_ = key_at, bad("this key is given twice");
        skip_space();
        if (at_ == text_.size() || text_[at_] != ':') return bad("':' is expected after a key");
        ++at_;
      }
      if (previous) {
        node(previous).next = child;
      } else {
        node(index).child = child;
      }
      ++node(index).size;
      previous = child;
      if (!value(child, depth + 1)) return false;
      if (visit_ && depth == 1 && !object && node(index).key == list_) {
        if (!(*visit_)(doc_, node(child))) return stopped_ = true, false;
        doc_.nodes_.resize(child);
        node(index).child = previous = 0;
      }
      skip_space();
      if (at_ == text_.size()) return bad("the text ends too early");
      if (text_[at_] == close) return ++at_, true;
      if (text_[at_] != ',') return bad(object ? "',' or '}' is expected" : "',' or ']' is expected");
      ++at_;
    }
  }

  /// Objects of people's files are small; a huge one is searched once a key, up to a limit that keeps hostile files cheap.
  bool repeated(std::uint32_t object, std::string_view key) const
  {
    if (doc_.nodes_[object].size > 256) return false;
    for (auto i = doc_.nodes_[object].child; i; i = doc_.nodes_[i].next) {
      const auto& other = doc_.nodes_[i].key;
      if (other.size() == key.size() && (key.empty() || (other.back() == key.back() && other == key))) return true;
    }
    return false;
  }

  bool string(std::string_view& out)
  {
    const auto start = ++at_;
    while (at_ < text_.size() && !k_ends_run[static_cast<unsigned char>(text_[at_])]) ++at_;
    if (at_ < text_.size() && text_[at_] == '"') {
      out = text_.substr(start, at_ - start);
      return ++at_, true;
    }
    std::string plain(text_.substr(start, at_ - start));
    while (at_ < text_.size() && text_[at_] != '"') {
      if (static_cast<unsigned char>(text_[at_]) < 0x20) return bad("a string holds a control character or is not closed");
      if (text_[at_] != '\\') {
        plain.push_back(text_[at_++]);
      } else if (!escape(plain)) {
        return false;
      }
    }
    if (at_ == text_.size()) return bad("a string is not closed");
    ++at_;
    out = doc_.unescaped_.emplace_back(std::move(plain));
    return true;
  }

  bool escape(std::string& out)
  {
    constexpr std::string_view k_letters = "\"\\/bfnrt";
    constexpr std::string_view k_meaning = "\"\\/\b\f\n\r\t";
    if (++at_ == text_.size()) return bad("a string is not closed");
    const char c = text_[at_++];
    if (const auto i = k_letters.find(c); i != std::string_view::npos) return out.push_back(k_meaning[i]), true;
    std::uint32_t code = 0;
    if (c != 'u' || !hex4(code)) return bad("this escape in a string is unknown");
    if (code >= 0xD800 && code < 0xDC00) {
      std::uint32_t low = 0;
      if (text_.substr(at_, 2) != "\\u") return bad("half of a surrogate pair");
      at_ += 2;
      if (!hex4(low) || low < 0xDC00 || low > 0xDFFF) return bad("half of a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code < 0xE000) {
      return bad("half of a surrogate pair");
    }
    append_utf8(out, code);
    return true;
  }

  bool hex4(std::uint32_t& code)
  {
    if (text_.size() - at_ < 4) return false;
    const auto* begin = text_.data() + at_;
    const auto [end, status] = std::from_chars(begin, begin + 4, code, 16);
    at_ += 4;
    return status == std::errc{} && end == begin + 4;
  }

  bool number(std::uint32_t index)
  {
    const auto start = at_;
    const auto digits = [&] {
      const auto from = at_;
      while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
      return at_ - from;
    };
    const bool negative = text_[at_] == '-';
    if (negative) ++at_;
    const auto whole_at = at_;
    const auto n = digits();
    if (n == 0) return at_ = start, bad("this is not a JSON value");
    if (n > 1 && text_[whole_at] == '0') return bad("a number starts with 0");
    bool whole = true;
    if (at_ < text_.size() && text_[at_] == '.') {
      whole = false;
      ++at_;
      if (digits() == 0) return bad("digits are expected after '.'");
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      whole = false;
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      if (digits() == 0) return bad("digits are expected after 'e'");
    }
    auto& out = node(index);
    const auto* begin = text_.data() + start;
    const auto* end = text_.data() + at_;
    if (whole && !negative && std::from_chars(begin, end, out.whole).ec == std::errc{}) {
      out.kind = JsonKind::whole;
      out.real = static_cast<double>(out.whole);
      return true;
    }
    out.kind = JsonKind::real;
    out.whole = 0;
    if (std::from_chars(begin, end, out.real).ec != std::errc{}) return at_ = start, bad("this number is out of range");
    return true;
  }

  JsonNode& node(std::uint32_t index) { return doc_.nodes_[index]; }

  JsonDocument& doc_;
  std::string_view text_;
  std::string_view list_;
  const JsonDocument::Visit* visit_;
  bool stopped_ = false;
  std::size_t at_ = 0;
  std::string problem_;
};

Result<JsonDocument> JsonDocument::parse(std::string_view text, std::string_view file) { return parse(text, file, "", nullptr); }

Result<JsonDocument> JsonDocument::parse(std::string_view text, std::string_view file, std::string_view list, const Visit& visit)
{
  return parse(text, file, list, &visit);
}

Result<JsonDocument> JsonDocument::parse(std::string_view text, std::string_view file, std::string_view list, const Visit* visit)
{
  JsonDocument document;
  document.text_ = text;
  document.file_ = file;
  if (text.size() > k_max_text) return fail(ErrorKind::parse, fmt::format("{}: more than 32 MiB of JSON", file));
  if (text.substr(0, 3) == "\xEF\xBB\xBF") return fail(ErrorKind::parse, fmt::format("{}:1:1: remove the byte order mark", file));
  JsonParser parser(document, list, visit);
  if (!parser.parse_document() && !parser.stopped()) {
    return fail(ErrorKind::parse, fmt::format("{}: {}", position(text, file, parser.at()), parser.problem()));
  }
  return document;
}

const JsonNode* JsonDocument::find(const JsonNode& object, std::string_view key) const
{
  for (const auto* member = first(object); member; member = next(*member)) {
    if (member->key == key) return member;
  }
  return nullptr;
}

std::string JsonDocument::where(const JsonNode& node) const { return position(text_, file_, node.offset); }

}  // namespace canirun
