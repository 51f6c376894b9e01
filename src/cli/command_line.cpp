#include "command_line.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "canirun/render/emit.hpp"
#include "command_info.hpp"
#include "formats/edit_distance.hpp"
#include "option_table.hpp"

namespace canirun {

namespace {

std::vector<std::string> option_names(const CLI::App& app)
{
  std::vector<std::string> names;
  for (const auto* option : app.get_options()) {
    for (const auto& n : option->get_lnames()) names.push_back("--" + n);
  }
  return names;
}

/// What CLI11 says, as one sentence with the remedy.
std::string sentence(const CLI::ParseError& error)
{
  std::string text = error.what();
  if (dynamic_cast<const BadValue*>(&error)) {
    // "flags: sentence": the flag people type is the last, long one.
    const auto colon = text.find(": ");
    if (colon != std::string::npos) text = text.substr(colon + 2);
    return text;
  }
  if (const auto end = text.find('\n'); end != std::string::npos) text.resize(end);
  // "--ctx: 1 required N missing" is how CLI11 says it.
  if (const auto colon = text.find(": 1 required "); colon != std::string::npos && text.ends_with(" missing")) {
    const auto value = text.substr(colon + 13, text.size() - colon - 13 - 8);
    return fmt::format("{} needs a value ({}); `canirun --help` says which", text.substr(0, colon), value);
  }
  return text + "; `canirun --help` lists all options";
}

}  // namespace

std::vector<std::string> expand_llama_flags(std::span<const std::string> arguments)
{
  struct Flag {
    std::string_view flag, option;
  };
  // Source: llama.cpp common/arg.cpp.
  constexpr std::array flags{Flag{"-ngl", "--gpu-layers"},     Flag{"-ctk", "--cache-type-k"}, Flag{"-ctv", "--cache-type-v"},
                             Flag{"-fa", "--flash-attn"},      Flag{"-np", "--parallel"},      Flag{"-ub", "--ubatch"},
                             Flag{"-cmoe", "--cpu-moe"},       Flag{"-ncmoe", "--n-cpu-moe"},  Flag{"-ts", "--tensor-split"},
                             Flag{"-nkvo", "--no-kv-offload"}, Flag{"-kvu", "--kv-unified"}};
  std::vector<std::string> out;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto& a = arguments[i];
    const auto end = a.find('=');
    const auto found = std::ranges::find(flags, std::string_view(a).substr(0, end), &Flag::flag);
    if (found == flags.end()) {
      out.push_back(a);
      continue;
    }
    out.push_back(std::string(found->option) + (end == std::string::npos ? "" : a.substr(end)));
    if (found->flag != "-fa" || end != std::string::npos) continue;
    if (i + 1 >= arguments.size() || !parse_flash_attention(arguments[i + 1])) out.emplace_back("on");
  }
  return out;
}

ErrorDocument error_document(std::span<const std::string> arguments)
{
  auto document = ErrorDocument::none;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string_view format = arguments[i];
    if (format == "--format") format = i + 1 < arguments.size() ? std::string_view(arguments[i + 1]) : std::string_view();
    else if (format.starts_with("--format=")) format.remove_prefix(9);
    else if (format == "--json") format = "json";
    else continue;
    document = format == "json" ? ErrorDocument::json : format == "ndjson" ? ErrorDocument::ndjson : ErrorDocument::none;
  }
  return document;
}

Result<Options> parse_command_line(std::span<const std::string> arguments)
{
  Options o;
  CLI::App app;
  add_everything(app, o);
  auto expanded = expand_llama_flags(arguments);
  std::ranges::reverse(expanded);  // CLI11 takes them last first
  try {
    app.parse(expanded);
  } catch (const CLI::ParseError& error) {
    return fail(ErrorKind::invalid_argument, sentence(error));
  }
  for (const auto& extra : app.remaining(true)) {
    if (!extra.starts_with('-') || extra == "-" || extra == "--") continue;
    const auto flag_name = extra.substr(0, extra.find('='));
    const auto near = std::string(nearest(flag_name, option_names(app)));
    return fail(ErrorKind::invalid_argument,
                fmt::format("no option is called '{}'; {}", flag_name,
                            near.empty() ? "`canirun --help` lists all" : fmt::format("did you mean '{}'?", near)));
  }
  if (o.help != Help::none || o.version) return o;
  if (!o.profiles.empty()) o.machine.hardware = o.profiles.front();
  if (o.profiles.size() > 1 && o.command != Command::grade && o.command != Command::check) {
    return fail(ErrorKind::invalid_argument, fmt::format("`canirun {}` is about one machine and --hardware was given {} times",
                                                         command_name(o.command), o.profiles.size()));
  }
  for (const auto* option : app.get_options()) {
    if (option->count() == 0 || option->get_lnames().empty()) continue;
    const auto option_name = "--" + option->get_lnames().front();
    if (!takes_option(o.command, option->get_group(), option_name)) {
      return fail(ErrorKind::invalid_argument,
                  fmt::format("{} does not take {}; `canirun {} --help` lists what it takes",
                              o.command == Command::grade ? "grading" : fmt::format("`canirun {}`", command_name(o.command)),
                              option_name, command_name(o.command)));
    }
  }
  if (o.question.workload.runtime == Runtime::llama_cpp) o.question.workload.runtime = runtime_of_target(o.emit);
  o.selection.pictures = o.question.workload.runtime == Runtime::diffusers;
  if (auto taken = take_quants(o.quants, o.question); !taken) return tl::unexpected(taken.error());
  return o;
}

}  // namespace canirun
