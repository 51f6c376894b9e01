#include "option_values.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "canirun/core/quantities.hpp"
#include "canirun/formats/projector_file.hpp"
#include "canirun/render/emit.hpp"
#include "canirun/render/renderer.hpp"

namespace canirun {

std::vector<std::string> split_list(std::string_view text)
{
  std::vector<std::string> items;
  while (!text.empty()) {
    const auto end = std::min(text.find(','), text.size());
    if (end > 0) items.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return items;
}

std::function<Result<std::uint32_t>(std::string_view)> count_from(std::uint32_t least, std::uint32_t most)
{
  return [=](std::string_view text) { return parse_count(text, least, most); };
}

Result<std::pair<std::uint64_t, std::uint64_t>> parse_params_range(std::string_view text)
{
  const auto wrong =
      fail(ErrorKind::invalid_argument, fmt::format("'{}' is not a range of parameters; write 3B..14B, ..8B or 30B..", text));
  const auto dots = text.find("..");
  if (dots == std::string_view::npos || text.size() == 2) return wrong;
  const auto number = [](std::string_view part) -> std::optional<std::uint64_t> {
    double value = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    const std::string_view unit(end, static_cast<std::size_t>(part.data() + part.size() - end));
    const double scale = unit == "B" || unit == "b" ? 1e9 : unit == "M" || unit == "m" ? 1e6 : unit == "T" ? 1e12 : 0;
    if (error != std::errc() || scale == 0 || !(value >= 0 && value < 1e6)) return std::nullopt;
    return static_cast<std::uint64_t>(value * scale);
  };
  std::pair<std::uint64_t, std::uint64_t> range{0, UINT64_MAX};
  if (const auto low = text.substr(0, dots); !low.empty()) {
    const auto n = number(low);
    if (!n) return wrong;
    range.first = *n;
  }
  if (const auto high = text.substr(dots + 2); !high.empty()) {
    const auto n = number(high);
    if (!n) return wrong;
    range.second = *n;
  }
  if (range.first > range.second) return wrong;
  return range;
}

Result<std::string> parse_month(std::string_view text)
{
  const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  const bool month = text.size() == 7 && text[4] == '-' && digit(0) && digit(1) && digit(2) && digit(3) && digit(5) && digit(6);
  if (month) return std::string(text);
  return fail(ErrorKind::invalid_argument, fmt::format("'{}' is not a month; write it as 2025-06", text));
}

std::function<Result<std::uint32_t>(std::string_view)> count_to(std::uint32_t most)
{
  return [=](std::string_view text) -> Result<std::uint32_t> {
    auto n = parse_count(text, 1);
    if (n && *n > most) return fail(ErrorKind::invalid_argument, fmt::format("{} is too many; write at most {}", *n, most));
    return n;
  };
}

Result<std::int32_t> parse_layers(std::string_view text)
{
  if (text == "all" || text == "-1") return -1;
  if (text == "auto") return -2;
  if (const auto n = parse_count(text, 0); n && *n <= 100000) return static_cast<std::int32_t>(*n);
  return fail(ErrorKind::invalid_argument, fmt::format("'{}' is not a number of layers; write auto, all or a number", text));
}

Result<std::shared_ptr<const Projector>> parse_projector(std::string_view text)
{
  if (text == "auto") {
    return std::make_shared<const Projector>(
        Projector{.file = "mmproj-F16.gguf", .tensors = {}, .towers = {}, .of_catalogue = true});
  }
  auto projector = read_projector(text);
  if (!projector) return tl::unexpected(std::move(projector.error()));
  return std::make_shared<const Projector>(std::move(*projector));
}

Result<std::vector<double>> parse_shares(std::string_view text)
{
  std::vector<double> shares;
  double sum = 0;
  for (const auto& item : split_list(text)) {
    double share = 0;
    const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), share);
    if (error != std::errc() || end != item.data() + item.size() || !(share >= 0 && share < 1e9)) {
      return fail(ErrorKind::invalid_argument, fmt::format("'{}' is not a share of a GPU; write --tensor-split 3,1", item));
    }
    shares.push_back(share);
    sum += share;
  }
  if (sum <= 0) return fail(ErrorKind::invalid_argument, "--tensor-split needs a share above zero, as in 3,1");
  return shares;
}

Result<double> parse_rate(std::string_view text)
{
  double rate = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
  if (error != std::errc() || end != text.data() + text.size() || !(rate > 0 && rate < 1e9)) {
    return fail(ErrorKind::invalid_argument, fmt::format("'{}' is not a number of tokens a second", text));
  }
  return rate;
}

Result<std::string> parse_sort(std::string_view text)
{
  constexpr std::array keys{"grade", "speed", "memory", "params", "context", "name", "release"};
  if (std::ranges::find(keys, text) != keys.end()) return std::string(text);
  return fail(ErrorKind::invalid_argument, fmt::format("cannot sort by '{}'; choose one of {}", text, fmt::join(keys, ", ")));
}

Result<std::string> parse_format(std::string_view text)
{
  if (auto renderer = make_renderer(text); !renderer) return tl::unexpected(renderer.error());
  return std::string(text);
}

Result<std::string> parse_target(std::string_view text)
{
  const auto targets = emit_target_names();
  if (std::ranges::find(targets, text) != targets.end()) return std::string(text);
  return fail(ErrorKind::invalid_argument,
              fmt::format("no target is called '{}'; choose one of {}", text, fmt::join(targets, ", ")));
}

Result<Shard> parse_shard(std::string_view text)
{
  const auto slash = text.find('/');
  const auto index = parse_count(text.substr(0, slash), 1);
  const auto of = slash == std::string_view::npos ? index : parse_count(text.substr(slash + 1), 1);
  if (slash != std::string_view::npos && index && of && *index <= *of && *of <= 100000) return Shard{*index, *of};
  return fail(ErrorKind::invalid_argument,
              fmt::format("'{}' is not a part of a fleet; write --shard 1/4 for the first of four", text));
}

Result<std::string> parse_host(std::string_view text)
{
  const bool plain =
      std::ranges::all_of(text, [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_'; });
  if (plain && !text.empty() && text.size() <= 253 && text.front() != '-') return std::string(text);
  return fail(ErrorKind::invalid_argument,
              fmt::format("'{}' is not the name of a host; write letters, digits, '-', '.' and '_', as in --host node-17", text));
}

std::optional<ColourChoice> parse_colour(std::string_view text)
{
  if (text == "auto") return ColourChoice::automatic;
  if (text == "always") return ColourChoice::always;
  if (text == "never") return ColourChoice::never;
  return std::nullopt;
}

Result<std::uint32_t> parse_depth(std::string_view text) { return text == "0" ? Result<std::uint32_t>(0) : parse_tokens(text); }

Result<bool> parse_probe_depth(std::string_view text)
{
  if (text == "deep" || text == "normal") return text == "deep";
  return fail(ErrorKind::invalid_argument, fmt::format("'{}' is not a depth of the probe; use normal or deep", text));
}

}  // namespace canirun
