#include "option_table.hpp"

#include <fmt/format.h>
#include <functional>

#include "canirun/core/cache_type.hpp"
#include "canirun/core/quantities.hpp"
#include "canirun/render/emit.hpp"
#include "canirun/render/renderer.hpp"
#include "command_info.hpp"
#include "option_values.hpp"

namespace canirun {

namespace {

constexpr std::uint32_t k_max_ubatch = 1U << 16U;  // more than any backend computes at once; keeps sizes of buffers below 2^62
constexpr std::uint32_t k_max_sequences = 256;     // llama-cparams.h: LLAMA_MAX_SEQ

template <typename T>
void value_option(CLI::App& app, const char* group, const char* flags, std::function<Result<T>(std::string_view)> parse,
                  std::function<void(T)> set, const char* help, const char* value)
{
  auto* option = app.add_option_function<std::string>(
      flags,
      [=](const std::string& text) {
        auto parsed = parse(text);
        if (!parsed) throw BadValue(flags, parsed.error().message);
        set(std::move(*parsed));
      },
      help);
  option->group(group)->type_name(value)->expected(1);
}

void flag(CLI::App& app, const char* group, const char* names, bool& value, const char* help)
{
  app.add_flag(names, value, help)->group(group);
}

void strings(CLI::App& app, const char* group, const char* names, std::vector<std::string>& values, const char* help,
             const char* value)
{
  app.add_option_function<std::vector<std::string>>(
         names,
         [&values](const std::vector<std::string>& given) {
           for (const auto& v : given) values.push_back(v);
         },
         help)
      ->group(group)
      ->type_name(value)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
}

void add_what(CLI::App& app, Options& o)
{
  flag(app, k_what, "--all", o.selection.all, "Every model of the catalogue");
  strings(app, k_what, "--task", o.selection.tasks, "Models for a task: chat, code, reasoning, vision, embedding …", "T");
  strings(app, k_what, "--family", o.selection.families, "Models of a family: llama, qwen3, gemma …", "F");
  strings(app, k_what, "--provider", o.selection.providers, "Models of a provider: Meta, Alibaba …", "P");
  strings(app, k_what, "--license", o.selection.licenses, "Models under a licence: apache-2.0, mit …", "L");
  value_option<std::pair<std::uint64_t, std::uint64_t>>(
      app, k_what, "--size", parse_params_range,
      [&o](auto range) { o.selection.min_params = range.first, o.selection.max_params = range.second; },
      "Models with so many parameters: 3B..14B, ..8B, 30B..", "RANGE");
  value_option<std::string>(
      app, k_what, "--since", parse_month, [&o](auto month) { o.selection.since = std::move(month); },
      "Models released in this month or later: 2025-06", "MONTH");
  app.add_option("--search", o.selection.search, "Models whose name has TEXT")->group(k_what)->type_name("TEXT");
  value_option<AskedQuants>(
      app, k_what, "-q,--quant", parse_quants, [&o](auto asked) { o.quants = std::move(asked), o.all_quants = true; },
      "Quantisations, llama-quantize's names, or all", "LIST");
  strings(app, k_what, "--models", o.catalogue_files, "Add to or override the catalogue", "FILE");
}

void add_how(CLI::App& app, Options& o)
{
  auto& w = o.question.workload;
  auto& p = o.question.placement;
  const auto count = [&](const char* flags, std::uint32_t least, std::function<void(std::uint32_t)> set, const char* help) {
    value_option<std::uint32_t>(app, k_how, flags, count_from(least), std::move(set), help, "N");
  };
  const auto cache_type = one_of<TensorType>(parse_cache_type, "a cache type", k_cache_type_names);
  value_option<std::uint32_t>(
      app, k_how, "-c,--ctx,--ctx-size", parse_tokens, [&w](auto n) { w.n_ctx = n; },
      "Tokens of context, shared by all sequences [8192, at most the trained context]", "N");
  value_option<std::uint32_t>(
      app, k_how, "--depth", parse_depth, [&w](auto n) { w.depth = n; },
      "Tokens in the cache for the speed estimate [half of the context]", "N");
  count(
      "-b,--batch,--batch-size", 1, [&w](auto n) { w.n_batch = n; }, "Logical batch [2048]");
  value_option<std::uint32_t>(
      app, k_how, "--ubatch,--ubatch-size", count_from(1, k_max_ubatch), [&w](auto n) { w.n_ubatch = n; },
      "Physical batch (-ub) [512]", "N");
  value_option<std::uint32_t>(
      app, k_how, "--parallel", count_from(1, k_max_sequences), [&w](auto n) { w.n_seq_max = n; },
      "Sequences at the same time (-np) [1]", "N");
  flag(app, k_how, "--kv-unified", w.kv_unified, "One cache for all sequences");
  value_option<TensorType>(
      app, k_how, "--cache-type-k", cache_type, [&w](auto t) { w.cache_type_k = t; }, "Type of K in the cache (-ctk) [f16]",
      "TYPE");
  value_option<TensorType>(
      app, k_how, "--cache-type-v", cache_type, [&w](auto t) { w.cache_type_v = t; }, "Type of V in the cache (-ctv) [f16]",
      "TYPE");
  value_option<FlashAttention>(
      app, k_how, "--flash-attn", one_of<FlashAttention>(parse_flash_attention, "a setting", "auto, on, off"),
      [&w](auto f) { w.flash_attn = f; }, "Flash attention (-fa): auto, on or off", "WHEN");
  value_option<std::int32_t>(
      app, k_how, "--gpu-layers,--n-gpu-layers", parse_layers,
      [&p](auto n) { n == -2 ? p.n_gpu_layers.reset() : void(p.n_gpu_layers = n); },
      "Layers on GPUs (-ngl): auto, all or N [auto]", "N");
  app.add_flag_callback(
         "--cpu-moe", [&p] { p.n_cpu_moe = UINT32_MAX; }, "All experts in RAM (-cmoe)")
      ->group(k_how);
  count(
      "--n-cpu-moe", 0, [&p](auto n) { p.n_cpu_moe = n; }, "Experts of the first N layers in RAM (-ncmoe)");
  app.add_flag_callback(
         "--no-kv-offload", [&w] { w.offload_kqv = false; }, "Cache in RAM (-nkvo)")
      ->group(k_how);
  value_option<std::shared_ptr<const Projector>>(
      app, k_how, "--mmproj", parse_projector, [&w](auto projector) { w.projector = std::move(projector); },
      "Projector of a vision or audio model, or auto: the model's own", "FILE");
  flag(app, k_how, "--swa-full", w.swa_full, "Full-size cache for sliding windows");
  count(
      "--outputs", 0, [&w](auto n) { w.n_outputs_max = n; }, "Rows of logits per micro-batch [as many as it has]");
  value_option<std::vector<double>>(
      app, k_how, "--tensor-split", parse_shares, [&p](auto s) { p.tensor_split = std::move(s); },
      "Shares of the GPUs (-ts), such as 3,1", "LIST");
  value_option<Runtime>(
      app, k_how, "--runtime",
      one_of<Runtime>(parse_runtime, "a runtime", "llama.cpp, llama-server, ollama, lm-studio, vllm, transformers, diffusers"),
      [&w](auto r) { w.runtime = r; }, "llama.cpp, llama-server, ollama, lm-studio, vllm, transformers or diffusers", "NAME");
  auto& media = o.question.media;
  value_option<std::array<std::uint32_t, 2>>(
      app, k_how, "--resolution", parse_resolution, [&media](auto r) { media.resolution = r; },
      "Size of an image or video [what the model is made for]", "WxH");
  value_option<std::uint32_t>(
      app, k_how, "--frames", count_to(1000), [&media](auto n) { media.frames = n; }, "Frames of a video", "N");
  value_option<std::uint32_t>(
      app, k_how, "--steps", count_to(1000), [&media](auto n) { media.steps = n; }, "Denoising steps of an image or video", "N");
  value_option<Backend>(
      app, k_how, "--backend", one_of<Backend>(parse_backend, "a backend", "cpu, cuda, vulkan, rocm, metal"),
      [&p](auto b) { p.backend = b; }, "cpu, cuda, vulkan, rocm or metal", "NAME");
}

void add_machine(CLI::App& app, Options& o)
{
  auto& m = o.machine;
  const auto size = [&](const char* flags, std::function<void(Bytes)> set, const char* help) {
    value_option<Bytes>(app, k_machine, flags, parse_size, std::move(set), help, "SIZE");
  };
  strings(app, k_machine, "--hardware", o.profiles, "A profile of `canirun probe --json`, several to compare; - is stdin",
          "FILE");
  strings(app, k_machine, "--gpu", m.gpus, "This card instead (repeat for several): \"RTX 4090\", \"M3 Max:64G\"", "NAME");
  size(
      "--vram", [&m](auto b) { m.vram = b; }, "Memory of each GPU; 24G = 24GiB (2^30), 24GB is 24*10^9");
  size(
      "--ram", [&m](auto b) { m.ram = b; }, "Memory of the machine");
  flag(app, k_machine, "--no-gpu", m.no_gpu, "As if there were no GPU");
  const auto bandwidth = [&](const char* flags, std::function<void(BytesPerSecond)> set, const char* help) {
    value_option<BytesPerSecond>(app, k_machine, flags, parse_bandwidth, std::move(set), help, "GB/s");
  };
  bandwidth(
      "--gpu-bandwidth", [&m](auto b) { m.gpu_bandwidth = b; }, "Memory bandwidth of each GPU");
  bandwidth(
      "--ram-bandwidth", [&m](auto b) { m.ram_bandwidth = b; }, "Memory bandwidth of the machine");
  value_option<std::uint32_t>(
      app, k_machine, "--cores", count_from(1), [&m](auto n) { m.cores = n; }, "Processor cores", "N");
  value_option<BudgetKind>(
      app, k_machine, "--budget", one_of<BudgetKind>(parse_budget_kind, "a budget", "capacity, free"),
      [&o](auto b) { o.question.budget = b; }, "Memory that counts: capacity, or what is free now [capacity]", "KIND");
  size(
      "--reserve", [&o](auto b) { o.question.reserve = b; }, "Memory to leave alone on every device, instead of the default");
  value_option<std::string>(
      app, k_machine, "--host", parse_host, [&m](auto h) { m.host = std::move(h); }, "Name of the machine in its profile [none]",
      "NAME");
  flag(app, k_machine, "--measure", m.measure, "Measure the bandwidth of RAM and GPUs; later runs use it");
  value_option<bool>(
      app, k_machine, "--probe", parse_probe_depth, [&m](auto deep) { m.deep = deep; },
      "deep asks the drivers even where no GPU shows, and waits 10 s [normal]", "KIND");
  flag(app, k_machine, "--wake", m.wake, "Wake GPUs that sleep and ask their driver");
  value_option<std::uint32_t>(
      app, k_machine, "--probe-timeout", count_from(1), [&m](auto n) { m.probe_timeout = std::chrono::milliseconds(n); },
      "Wait so long for the drivers [2000, deep 10000]", "MS");
}

void add_fleet(CLI::App& app, Options& o)
{
  strings(app, k_fleet, "--model", o.fleet.models, "This model (repeat for several) [the models of the list of a machine]",
          "MODEL");
  app.add_option("--compare", o.fleet.compare, "What two versions of a model differ in, and on which machines")
      ->group(k_fleet)
      ->type_name("A B")
      ->expected(2);
  value_option<Shard>(
      app, k_fleet, "--shard", parse_shard, [&o](auto s) { o.fleet.shard = s; }, "Evaluate part I of N only, for --merge", "I/N");
  flag(app, k_fleet, "--merge", o.fleet.merge, "The files are parts that --shard wrote: put them together");
}

void add_requirements(CLI::App& app, Options& o)
{
  auto& r = o.requirements;
  value_option<Letter>(
      app, k_requirements, "--min-grade", one_of<Letter>(parse_letter, "a grade", "S, A, B, C, D, F"),
      [&r](auto l) { r.min_grade = l; }, "At least this grade", "GRADE");
  value_option<double>(
      app, k_requirements, "--min-speed", parse_rate, [&r](auto t) { r.min_speed = t; },
      "At least so many generated tokens a second", "TPS");
  value_option<std::uint32_t>(
      app, k_requirements, "--min-ctx", parse_tokens, [&r](auto n) { r.min_ctx = n; }, "At least this context fits", "N");
  app.add_option("--policy", o.policy, "check: models and requirements for several machines")
      ->group(k_requirements)
      ->type_name("FILE");
  value_option<Goal>(
      app, k_requirements, "--goal", one_of<Goal>(parse_goal, "a goal", "quality, speed, context, users"),
      [&o](auto g) { o.goal = g; }, "plan: the best settings here for quality, speed, context or users", "GOAL");
}

void add_output(CLI::App& app, Options& o)
{
  flag(app, k_output, "--save", o.save, "verify: keep the measured speed; later estimates on this machine use it");
  value_option<std::uint32_t>(
      app, k_output, "--deadline", count_from(1), [&o](auto n) { o.deadline = std::chrono::seconds(n); },
      "verify: end a program after so many seconds [300]", "S");
  app.add_flag_callback(
         "--json", [&o] { o.format = "json"; }, "Same as --format json")
      ->group(k_output);
  static const auto format_help = fmt::format("{}", fmt::join(format_names(), ", "));
  value_option<std::string>(
      app, k_output, "--format", parse_format, [&o](auto f) { o.format = std::move(f); }, format_help.c_str(), "NAME");
  static const auto emit_help = fmt::format("Print only how to run it with: {}", fmt::join(emit_target_names(), ", "));
  value_option<std::string>(
      app, k_output, "--emit", parse_target, [&o](auto t) { o.emit = std::move(t); }, emit_help.c_str(), "TARGET");
  app.add_option("-o,--output", o.output, "Write to FILE, whole or not at all; - is stdout")->group(k_output)->type_name("FILE");
  flag(app, k_output, "--explain", o.explain, "Each part of the memory, the speed and the grade, with its figures");
  value_option<std::string>(
      app, k_output, "--sort", parse_sort, [&o](auto k) { o.sort = std::move(k); },
      "grade, speed, memory, params, context, name or release [grade]", "KEY");
  value_option<std::uint32_t>(
      app, k_output, "-n,--limit", count_from(1), [&o](auto n) { o.limit = n; }, "At most N models", "N");
  value_option<ColourChoice>(
      app, k_output, "--color", one_of<ColourChoice>(parse_colour, "a choice", "auto, always, never"),
      [&o](auto c) { o.colour = c; }, "auto, always or never", "WHEN");
  flag(app, k_output, "--plain", o.plain, "Tab-separated lines without decoration");
  flag(app, k_output, "--ids", o.ids, "models, gpus: only the ids, one a line");
  flag(app, k_output, "--quiet", o.quiet, "No notes; with check nothing at all");
  flag(app, k_output, "-v,--verbose", o.verbose, "All notes about the hardware");
}

}  // namespace

void add_everything(CLI::App& app, Options& o)
{
  app.set_help_flag();
  app.allow_extras();
  app.add_option("MODEL", o.words)->group("");
  for (const auto& info : commands()) {
    auto* sub = app.add_subcommand(std::string(info.name), std::string(info.help));
    sub->set_help_flag();
    sub->fallthrough();
    sub->allow_extras();
    sub->add_option("WORDS", o.words)->group("");
    sub->parse_complete_callback([&o, command = info.command] { o.command = command; });
  }
  app.require_subcommand(0, 1);
  add_what(app, o);
  add_how(app, o);
  add_machine(app, o);
  add_fleet(app, o);
  add_requirements(app, o);
  add_output(app, o);
  app.add_flag_callback(
         "-h", [&o] { o.help = Help::brief; }, "Short help")
      ->group(k_other);
  app.add_flag_callback(
         "--help", [&o] { o.help = Help::full; }, "This help")
      ->group(k_other);
  flag(app, k_other, "-V,--version", o.version, "Version, and how it was built");
}

}  // namespace canirun
