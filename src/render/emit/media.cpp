#include <fmt/format.h>

#include "describe.hpp"
#include "emit/emitters.hpp"
#include "text.hpp"

/// \file
/// Pictures and speech: stable-diffusion.cpp, diffusers and whisper.cpp. The command is the row's own: its flags are part of what was graded.

namespace canirun {

namespace {

Result<std::string> emit_graded(const EmitRequest& request, std::string_view program)
{
  const auto& [report, model, row] = request;
  if (row.command.empty() && row.media && row.media->runtime == "diffusers" && model.diffusers_repo.empty()) {
    return fail(
        ErrorKind::invalid_argument,
        fmt::format("no repository of {} in the format of diffusers is known; state it as diffusers_repo in an entry of your own "
                    "(--models)",
                    model.name));
  }
  if (row.command.empty()) {
    return fail(ErrorKind::invalid_argument, fmt::format("{} does not run {}", program, model.name));
  }
  if (row.media && row.media->runtime != program) {
    return fail(ErrorKind::invalid_argument,
                fmt::format("the row is one of {}, not of {}; leave out --runtime", row.media->runtime, program));
  }
  auto out = fmt::format("# {}\n", clean(fmt::format("{} at {}", model.name, quant_text(row))));
  const auto& weights = program == "diffusers" ? model.diffusers_repo : model.hf_repo;
  if (program == "diffusers") out += fmt::format("# weights: huggingface.co/{}\n", clean(weights));
  else if (!weights.empty())
    out += fmt::format("# weights: huggingface.co/{}; the files in the command stand for them\n", clean(weights));
  return out + row.command + "\n";
}

}  // namespace

Result<std::string> emit_stable_diffusion(const EmitRequest& request) { return emit_graded(request, "stable-diffusion.cpp"); }

Result<std::string> emit_diffusers(const EmitRequest& request) { return emit_graded(request, "diffusers"); }

Result<std::string> emit_whisper(const EmitRequest& request) { return emit_graded(request, "whisper.cpp"); }

}  // namespace canirun
