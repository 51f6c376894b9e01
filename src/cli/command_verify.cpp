#include <algorithm>
#include <fmt/format.h>

#include "canirun/core/command.hpp"
#include "canirun/core/measured_run.hpp"
#include "commands.hpp"
#include "machine.hpp"
#include "models.hpp"
#include "output.hpp"
#include "progress.hpp"
#include "render/describe.hpp"
#include "render/text.hpp"
#include "verify/program.hpp"
#include "verify/saved_runs.hpp"
#include "verify/verification.hpp"

/// \file
/// `canirun verify FILE`: what llama.cpp's own programs say of a run, beside the estimate.

namespace canirun {

namespace {

constexpr std::uint32_t k_bench_prompt = 512, k_bench_generation = 64;

/// Everything that the programs are asked about.
struct Asked {
  const Options& options;
  const Environment& env;
  const HardwareProfile& hardware;
  const Report& report;
  const QuantReport& row;
  RunLimits limits;
};

/// Finds and runs one program. Its output, or nothing, and why in `report`.
std::optional<std::string> ask(const Asked& asked, ProgramReport& report, std::vector<std::string> arguments)
{
  const auto found = find_program(report.name, asked.env.llama_cpp, asked.env.path);
  report.path = found.path.empty() ? found.not_runnable : found.path;
  if (found.path.empty()) {
    report.status = found.not_runnable.empty() ? "missing" : "not executable";
    report.detail = found.not_runnable.empty() ? "not in PATH or $CANIRUN_LLAMA_CPP" : "";
    return std::nullopt;
  }
  arguments.insert(arguments.begin(), found.path);
  const auto output = [&] {
    const Progress progress(asked.env, true, fmt::format("{} runs {}", report.name, clean(asked.row.file, true)));
    return run_program(arguments, asked.limits);
  }();
  if (output.ok()) return output.out;
  report.status = "failed";
  report.detail = fate(output, asked.limits);
  // The last line of what it complained about.
  auto err = std::string_view(output.err);
  while (!err.empty() && (err.back() == '\n' || err.back() == '\r' || err.back() == ' ')) err.remove_suffix(1);
  if (!err.empty()) report.detail += fmt::format(" ({})", cut(clean(err.substr(err.rfind('\n') + 1)), 160, "..."));
  return std::nullopt;
}

void measure_memory(const Asked& asked, Verification& v)
{
  auto& program = v.programs.emplace_back(ProgramReport{"llama-fit-params", "", "done", ""});
  auto arguments =
      llama_arguments(run_of(asked.report, asked.report.models.front(), asked.row), LlamaProgram::cli, Visible::all_gpus);
  const auto& w = asked.report.workload;
  if (w.n_seq_max > 1) arguments.insert(arguments.end(), {"-np", fmt::format("{}", w.n_seq_max)});
  arguments.insert(arguments.end(), {"--fit-print", "on"});
  const auto text = ask(asked, program, std::move(arguments));
  if (!text) return;
  v.memory = parse_fit_print(*text);
  if (v.memory.size() == asked.row.devices.size()) return;
  program.status = "failed";
  program.detail = v.memory.empty() ? "what it printed is not a table of memory" : "it placed the model on other devices";
  v.memory.clear();
}

/// llama-bench has its own spellings: shares with '/', switches with 0 and 1.
std::vector<std::string> bench_arguments(const Asked& asked, std::uint32_t depth)
{
  const auto& p = asked.row.placement;
  const auto& w = asked.report.workload;
  const auto number = [](std::uint32_t n) { return fmt::format("{}", n); };
  std::vector<std::string> words{
      "-m", asked.row.file, "-o", "json", "-r", "2", "-p", number(k_bench_prompt), "-n", number(k_bench_generation)};
  const auto add = [&](std::string flag, std::string value) {
    words.push_back(std::move(flag));
    words.push_back(std::move(value));
  };
  add("-d", number(depth));
  add("-ngl", number(p.gpus.empty() ? 0 : p.n_gpu_layers));
  if (p.n_cpu_moe > 0) add("-ncmoe", number(std::min(p.n_cpu_moe, p.n_layers)));
  if (p.gpus.size() > 1) {
    auto shares = tensor_split_text(p);
    std::ranges::replace(shares, ',', '/');
    add("-ts", shares);
  }
  add("-fa", asked.row.flash_attn ? "1" : "0");
  add("-ctk", std::string(traits(w.cache_type_k).name));
  add("-ctv", std::string(traits(w.cache_type_v).name));
  add("-b", number(w.n_batch));
  add("-ub", number(w.n_ubatch));
  if (!w.offload_kqv) add("-nkvo", "1");
  return words;
}

/// A device whose free memory the run would not leave alone, in words; "" when all have room.
std::string lacks_room(const Asked& asked)
{
  auto now = asked.options.question;
  now.budget = BudgetKind::free;
  for (std::size_t i = 0; i < asked.row.devices.size(); ++i) {
    const auto& device = asked.row.devices[i];
    const auto free = i < asked.row.placement.gpus.size()
                          ? gpu_budget(asked.hardware.gpus[asked.row.placement.gpus[i]], asked.hardware, now)
                          : host_budget(asked.hardware, now);
    if (device.parts.total() > free)
      return fmt::format("it needs {} of {} and {} are free", size_text(device.parts.total()),
                         device.device == "host" ? "RAM" : device.device, size_text(free));
  }
  return {};
}

void measure_speed(const Asked& asked, Verification& v)
{
  auto& program = v.programs.emplace_back(ProgramReport{"llama-bench", "", "done", ""});
  if (const auto why = lacks_room(asked); !why.empty()) {
    program.status = "skipped";
    program.detail = why;
    return;
  }
  const auto text = ask(asked, program, bench_arguments(asked, v.depth));
  if (!text) return;
  v.bench = parse_bench(*text);
  if (v.bench) return;
  program.status = "failed";
  program.detail = "what it printed is not a list of results";
}

/// The GPUs that llama.cpp has here; no model is loaded.
void list_devices(const Asked& asked, Verification& v)
{
  auto& program = v.programs.emplace_back(ProgramReport{"llama-server", "", "done", ""});
  const auto text = ask(asked, program, {"--list-devices"});
  if (!text) return;
  v.devices = parse_devices(*text);
  if (v.devices) return;
  program.status = "failed";
  program.detail = "what it printed is not a list of devices";
}

/// What kept every program from an answer, as one sentence with the remedy.
std::string nothing_measured(const Verification& v)
{
  std::string why;
  bool missing = false;
  for (const auto& p : v.programs) {
    missing = missing || p.status == "missing";
    why += fmt::format("{}{} {}{}{}", why.empty() ? "" : "; ", p.name, p.status, p.path.empty() ? "" : " (" + p.path + ")",
                       p.detail.empty() ? "" : ": " + p.detail);
  }
  return fmt::format("nothing was measured: {}{}", why,
                     missing ? "; install llama.cpp, or set CANIRUN_LLAMA_CPP to the folder of its programs" : "");
}

Result<void> save(Verification& v, const ModelSpec& spec, const HardwareProfile& hardware)
{
  const auto& speed = v.row.speed;
  if (!v.bench || !v.bench->generation_tps || !speed.generation_tps)
    return fail(ErrorKind::unavailable, "--save keeps a measured speed and llama-bench measured none");
  MeasuredRun run{.model = shape_key(spec),
                  .quant = v.quant,
                  .mode = v.row.placement.mode,
                  .generation_factor = *v.bench->generation_tps / speed.generation_tps->estimate,
                  .prompt_factor = {}};
  if (v.bench->prompt_tps && speed.prompt_tps) run.prompt_factor = *v.bench->prompt_tps / speed.prompt_tps->estimate;
  if (!is_plausible_factor(run.generation_factor) || !is_plausible_factor(run.prompt_factor.value_or(1)))
    return fail(ErrorKind::unavailable,
                "--save keeps nothing that is a hundred times off the estimate: what was measured is another run");
  const auto file = saved_runs_file();
  if (auto saved = save_run(file, hardware, run); !saved) return tl::unexpected(saved.error());
  v.saved = file;
  return {};
}

}  // namespace

Result<int> run_verify(const Options& o, const Environment& env)
{
  if (o.words.size() != 1)
    return fail(ErrorKind::invalid_argument, "verify needs one model file, as in `canirun verify ./model.gguf`");
  if (o.format != "table" && o.format != "json")
    return fail(ErrorKind::invalid_argument, fmt::format("`canirun verify` has the formats table and json, not {}", o.format));
  if (const auto runtime = o.question.workload.runtime; loads_checkpoints(runtime))
    return fail(ErrorKind::invalid_argument,
                fmt::format("verify asks llama.cpp's programs about a .gguf file; leave out --runtime {}", name(runtime)));
  const auto catalogue = catalogue_for(o.words, {}, env.data, {});
  if (!catalogue) return tl::unexpected(catalogue.error());
  const auto set = models_of(o.words, {}, *catalogue);
  if (!set) return tl::unexpected(set.error());
  const auto& spec = *set->subjects.front().spec;
  if (set->subjects.size() != 1 || spec.tensors.empty()) {
    return fail(ErrorKind::invalid_argument, fmt::format("verify runs llama.cpp's programs on a file and {} is none; name the "
                                                         ".gguf file, as in `canirun verify ./{}-Q4_K_M.gguf`",
                                                         o.words.front(), spec.id));
  }
  const auto table = load_gpu_table(env.data, {});
  if (!table) return tl::unexpected(table.error());
  const auto hardware = machine_of(o.machine, env, *table);
  if (!hardware) return tl::unexpected(hardware.error());

  auto options = o;
  auto& workload = options.question.workload;
  // llama-bench fills the cache before each test, which takes as long as a prompt; the law wants a token in it.
  const auto depth = static_cast<std::uint32_t>(std::max<std::int64_t>(workload.depth, 0));
  workload.depth = std::max<std::int64_t>(workload.depth, 1);
  std::vector<ModelReport> models;
  models.push_back(evaluate(spec, set->subjects.front().facts, *hardware, options.question));
  const auto report = make_report(options, *hardware, std::move(models));
  const auto& model = report.models.front();
  if (!model.best)
    return fail(ErrorKind::invalid_argument, fmt::format("{} cannot be verified: {}", o.words.front(),
                                                         model.notes.empty() ? "no estimate" : model.notes.front()));
  const auto& row = model.quants[*model.best];
  if (!row.fits) {
    write_message(
        fmt::format("canirun: {} does not fit this machine as asked: there is no run to verify\n", clean(o.words.front())));
    return k_not_met;
  }

  Verification v{.model = model.name,
                 .quant = quant_text(row),
                 .command = row.command,
                 .n_ctx = model.n_ctx,
                 .depth = std::min(depth, model.n_ctx),
                 .row = row,
                 .memory = {},
                 .bench = {},
                 .gpus = hardware->gpus,
                 .devices = {},
                 .programs = {},
                 .saved = {}};
  const Asked asked{options, env, *hardware, report, row, {.deadline = o.deadline, .output = 1u << 20}};
  measure_memory(asked, v);
  measure_speed(asked, v);
  list_devices(asked, v);
  if (!v.any()) return fail(ErrorKind::unavailable, nothing_measured(v));
  if (o.save) {
    if (auto saved = save(v, spec, *hardware); !saved) return tl::unexpected(saved.error());
  }
  return emit(o.format == "json" ? verification_json(v) : verification_text(v, render_options(o, env, false)), o);
}

}  // namespace canirun
