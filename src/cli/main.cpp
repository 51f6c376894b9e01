#include <csignal>
#include <cstdio>
#include <exception>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "canirun/probe/probe.hpp"
#include "command_line.hpp"
#include "commands.hpp"
#include "output.hpp"

namespace canirun {

Result<int> emit(const std::string& text, const Options& options, int status)
{
  if (auto written = write_output(text, options.output); !written) return fail(ErrorKind::unavailable, written.error().message);
  return status;
}

namespace {

std::string_view name(ErrorKind kind)
{
  switch (kind) {
    case ErrorKind::invalid_argument: return "invalid_argument";
    case ErrorKind::not_found: return "not_found";
    case ErrorKind::parse: return "parse";
    case ErrorKind::io: return "io";
    case ErrorKind::unavailable: return "unavailable";
  }
  return "internal";
}

/// One sentence on stderr; with --json the error object on stdout too.
int report_error(std::string_view kind, const std::string& message, bool json, int status)
{
  fmt::print(stderr, "canirun: {}\n", message);
  if (!json) return status;
  const nlohmann::ordered_json object{{"schema", "canirun.error/1"}, {"error", {{"kind", kind}, {"message", message}}}};
  const auto text = object.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  return write_output(text, "") ? status : k_cannot;
}

Result<int> dispatch(const Options& o, const Environment& env)
{
  if (o.version) return emit("canirun " CANIRUN_VERSION "\n", o);
  if (o.help == Help::brief && o.command == Command::grade) return emit(brief_help(), o);
  if (o.help != Help::none) return emit(full_help(o.command), o);
  switch (o.command) {
    case Command::grade:
    case Command::check: return run_grade(o, env);
    case Command::plan: return run_plan(o, env);
    case Command::probe: return run_probe(o, env);
    case Command::models: return run_models(o, env);
    case Command::gpus: return run_gpus(o, env);
    case Command::doctor: return run_doctor(o, env);
    case Command::completion: return run_completion(o);
  }
  return k_wrong_question;
}

int run(std::span<const std::string> arguments)
{
  const bool json = wants_json(arguments);
  try {
    auto options = parse_command_line(arguments);
    const auto status = options ? dispatch(*options, read_environment()) : Result<int>(tl::unexpected(options.error()));
    if (status) return *status;
    const auto& error = status.error();
    return report_error(name(error.kind), error.message, json,
                        error.kind == ErrorKind::unavailable ? k_cannot : k_wrong_question);
  } catch (const std::exception& e) {
    return report_error("internal", fmt::format("internal error: {}; please report it with this command line", e.what()), json,
                        k_cannot);
  }
}

}  // namespace

}  // namespace canirun

int main(int argc, char** argv)
{
  std::signal(SIGPIPE, SIG_IGN);  // a reader that goes away is seen by write()
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  constexpr std::string_view k_child = "--probe-child=";
  if (arguments.size() == 1 && arguments[0].starts_with(k_child))
    return canirun::run_probe_child(arguments[0].substr(k_child.size()));
  return canirun::run(arguments);
}
