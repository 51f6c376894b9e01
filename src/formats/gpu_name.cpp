#include "gpu_name.hpp"

#include <algorithm>
#include <charconv>

namespace canirun {

namespace {

constexpr std::string_view k_dropped_words[] = {"nvidia",   "geforce",    "tesla",   "quadro",   "amd", "radeon", "instinct",
                                                "intel",    "apple",      "gpu",     "card",     "tm",  "r",      "corporation",
                                                "graphics", "generation", "edition", "qualcomm", "ati"};
constexpr std::string_view k_mobile_words[] = {"laptop", "mobile", "notebook", "maxq"};

/// "96eu": Intel's count of execution units.
bool is_core_count(std::string_view word)
{
  return word.size() > 2 && word.ends_with("eu") && word.find_first_not_of("0123456789") == word.size() - 2;
}

bool letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

}  // namespace

std::optional<double> size_word(std::string_view word)
{
  double value = 0;
  const auto [end, status] = std::from_chars(word.data(), word.data() + word.size(), value, std::chars_format::fixed);
  if (status != std::errc{} || value <= 0 || value > 4096) return {};
  const std::string_view unit(end, static_cast<std::size_t>(word.data() + word.size() - end));
  return unit == "g" || unit == "gb" || unit == "gib" ? std::optional(value) : std::nullopt;
}

GpuName parse_gpu_name(std::string_view text)
{
  GpuName name;
  std::string word;
  bool mobile = false;
  int brackets = 0;
  const auto flush = [&] {
    if (word.empty()) return;
    const auto is = [&](std::string_view other) { return word == other; };
    if (std::ranges::any_of(k_mobile_words, is)) {
      mobile = true;
    } else if (!std::ranges::any_of(k_dropped_words, is)) {
      name.key += word;
      const auto gib = size_word(word);
      if (gib) name.gib = gib;
      if (!gib && brackets == 0 && !is_core_count(word)) {
        name.base += word;
        name.words.push_back(word);
      }
    }
    word.clear();
  };
  for (const char letter : text) {
    const char c = letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
    if (letter_or_digit(c) || (c == '.' && !word.empty() && word.back() >= '0' && word.back() <= '9')) {
      word.push_back(c);
    } else if (c == '-' && word == "max") {
      continue;  // Max-Q is one word.
    } else {
      flush();
      if (c == '(') ++brackets;
      if (c == ')' && brackets > 0) --brackets;
    }
  }
  flush();
  if (mobile) {
    name.key += "mobile";
    name.base += "mobile";
    name.words.emplace_back("mobile");
  }
  return name;
}

}  // namespace canirun
