#include <cmath>
#include <fmt/format.h>

#include "canirun/core/command.hpp"
#include "emit/emitters.hpp"

/// \file
/// LM Studio's command line. Flags: lmstudio.ai/docs/cli/local-models/import and /load.

namespace canirun {

namespace {

/// --gpu: off, max, or the share of the layers.
std::string gpu_share(const Placement& p)
{
  if (p.gpus.empty() || p.n_gpu_layers == 0) return "off";
  if (p.mode == Placement::Mode::gpu || p.n_gpu_layers > p.n_layers) return "max";
  return fmt::format("{:.2f}", std::floor(100.0 * p.n_gpu_layers / (p.n_layers + 1)) / 100);
}

}  // namespace

Result<std::string> emit_lm_studio(const EmitRequest& request)
{
  const auto& [report, model, row] = request;
  if (row.placement.n_cpu_moe > 0) {
    return fail(ErrorKind::invalid_argument,
                "`lms load` moves whole layers to RAM, not experts alone; add --n-cpu-moe 0 to place by layers");
  }
  const auto name = safe_name(model);
  const auto folder = "local/" + name;
  const std::vector<std::string> import{"lms", "import", explicit_path(row.file), "--copy", "--user-repo", folder};
  const std::vector<std::string> load{"lms",
                                      "load",
                                      folder + "/" + base_name(row.file),
                                      "--gpu",
                                      gpu_share(row.placement),
                                      "--context-length",
                                      fmt::format("{}", model.n_ctx),
                                      "--identifier",
                                      name};
  std::string settings;
  const Workload defaults;
  const auto& w = report.workload;
  if (w.cache_type_k != defaults.cache_type_k || w.cache_type_v != defaults.cache_type_v) {
    settings = fmt::format("# set in the app, model settings: K cache {}, V cache {}\n", traits(w.cache_type_k).name,
                           traits(w.cache_type_v).name);
  }
  return describe_run(request) + settings + shell_line(import) + "\n" + shell_line(load) + "\n";
}

}  // namespace canirun
