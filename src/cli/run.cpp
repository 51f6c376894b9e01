#include <exception>
#include <fmt/format.h>
#include <new>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "command_line.hpp"
#include "help.hpp"
#include "commands.hpp"
#include "output.hpp"
#include "render/text.hpp"
#include "run.hpp"

namespace canirun {

Result<int> emit(const std::function<void(const Sink&)>& write, const Options& options, int status)
{
  Output output(options.output);
  write([&](std::string_view piece) { output.write(piece); });
  if (auto written = output.finish(); !written) return fail(ErrorKind::unavailable, written.error().message);
  return status;
}

Result<int> emit(const std::string& text, const Options& options, int status)
{
  return emit([&](const Sink& sink) { sink(text); }, options, status);
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

/// One sentence on stderr; with --json the error object on stdout too, with ndjson on one line.
int report_error(std::string_view kind, const std::string& message, ErrorDocument document, int status)
{
  write_message(fmt::format("canirun: {}\n", clean(message)));  // it may quote a name from a file
  if (document == ErrorDocument::none) return status;
  const nlohmann::ordered_json object{{"schema", "canirun.error/1"}, {"error", {{"kind", kind}, {"message", message}}}};
  const auto text =
      object.dump(document == ErrorDocument::ndjson ? -1 : 2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) +
      "\n";
  return write_output(text, "") ? status : k_cannot;
}

}  // namespace

Result<int> answer(const Options& o, const Environment& env)
{
  if (o.version) return emit(version_text(), o);
  if (o.help == Help::brief && o.command == Command::grade) return emit(brief_help(), o);
  if (o.help != Help::none) return emit(full_help(o.command), o);
  switch (o.command) {
    case Command::grade:
    case Command::check: return run_grade(o, env);
    case Command::plan: return run_plan(o, env);
    case Command::probe: return run_probe(o, env);
    case Command::fleet: return run_fleet(o, env);
    case Command::models: return run_models(o, env);
    case Command::gpus: return run_gpus(o, env);
    case Command::doctor: return run_doctor(o, env);
    case Command::completion: return run_completion(o);
    case Command::verify: return run_verify(o, env);
  }
  return k_wrong_question;
}

namespace {

/// What is said when there is no memory left to say anything else with.
int out_of_memory(ErrorDocument document)
{
  constexpr std::string_view k_message = "there is not enough memory to answer; raise the limit (ulimit -v) or ask for less";
  for (const auto part : {std::string_view("canirun: "), k_message, std::string_view("\n")}) write_message(part);
  if (document == ErrorDocument::none) return k_cannot;
  for (const auto part : {std::string_view(R"({"schema": "canirun.error/1", "error": {"kind": "unavailable", "message": ")"),
                          k_message, std::string_view("\"}}\n")}) {
    if (!write_output(part, {})) break;
  }
  return k_cannot;
}

int answer_or_explain(std::span<const std::string> arguments, ErrorDocument document)
{
  auto options = parse_command_line(arguments);
  const auto status = options ? answer(*options, read_environment()) : Result<int>(tl::unexpected(options.error()));
  if (status) return *status;
  const auto& error = status.error();
  return report_error(name(error.kind), error.message, document,
                      error.kind == ErrorKind::unavailable ? k_cannot : k_wrong_question);
}

}  // namespace

int run(std::span<char* const> words)
{
  auto document = ErrorDocument::none;
  try {
    const std::vector<std::string> arguments(words.begin(), words.end());
    document = error_document(arguments);
    return answer_or_explain(arguments, document);
  } catch (const std::bad_alloc&) {
    return out_of_memory(document);
  } catch (const std::exception& e) {
    return report_error("internal", fmt::format("internal error: {}; please report it with this command line", e.what()),
                        document, k_cannot);
  }
}

}  // namespace canirun
