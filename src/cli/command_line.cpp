#include "command_line.hpp"

#include <algorithm>
#include <array>
#include <CLI/CLI.hpp>
#include <cctype>
#include <charconv>
#include <fmt/format.h>
#include <functional>

#include "canirun/core/cache_type.hpp"
#include "canirun/core/quantities.hpp"
#include "canirun/render/emit.hpp"
#include "canirun/render/renderer.hpp"
#include "formats/edit_distance.hpp"

namespace canirun {

namespace {

struct CommandInfo {
  Command command;
  std::string_view name;
  std::string_view help;
};

constexpr std::array k_commands{
    CommandInfo{Command::check, "check", "Fail unless a model meets requirements (for CI)"},
    CommandInfo{Command::plan, "plan", "What hardware a model takes; with --goal, the best settings on this machine"},
    CommandInfo{Command::verify, "verify", "Print estimates of a .gguf file beside what llama.cpp's own programs measure here"},
    CommandInfo{Command::probe, "probe", "Print this machine's hardware profile"},
    CommandInfo{Command::fleet, "fleet", "Many machines: what their profiles can run, and what to change"},
    CommandInfo{Command::models, "models", "List the catalogue; show ID, validate FILE, import config.json"},
    CommandInfo{Command::gpus, "gpus", "Print the GPU table, or the cards that match NAME"},
    CommandInfo{Command::doctor, "doctor", "Print every raw reading of the hardware"},
    CommandInfo{Command::completion, "completion", "Print completions for bash, zsh or fish"},
};

/// How a command is called, and an example for its help.
struct Synopsis {
  std::string_view command, words, example;
};

constexpr std::array k_synopses{
    Synopsis{"check", "MODEL... [requirements] [options]\n       canirun check --policy FILE [options]",
             "canirun check llama-3.1-8b --quant Q4_K_M --min-grade B --min-ctx 16k --hardware machine.json"},
    Synopsis{"plan", "MODEL [--goal GOAL] [requirements] [options]", "canirun plan llama-2-70b --min-grade B --min-speed 20"},
    Synopsis{"probe", "[options]", "canirun probe -o machine.json"},
    Synopsis{"models", "[list | show ID | validate FILE | import config.json] [options]", "canirun models show llama-3.1-8b"},
    Synopsis{"gpus", "[NAME] [options]", "canirun gpus 4090"},
    Synopsis{"completion", "bash|zsh|fish [-o FILE]", "source <(canirun completion bash)"},
};

constexpr std::uint32_t k_max_ubatch = 1U << 16U;  // more than any backend computes at once; keeps sizes of buffers below 2^62
constexpr std::uint32_t k_max_sequences = 256;     // llama-cparams.h: LLAMA_MAX_SEQ

constexpr auto k_what = "What to look at";
constexpr auto k_how = "How it is run (llama.cpp's flags)";
constexpr auto k_machine = "On which machine";
constexpr auto k_fleet = "Many machines (fleet)";
constexpr auto k_requirements = "Requirements (exit status 1 if one is not met)";
constexpr auto k_output = "Output";
constexpr auto k_other = "Other";

/// A fleet has machines of its own: of the options that change a machine only those that make sense for all are left.
bool fleet_takes(std::string_view group, std::string_view option)
{
  if (group == k_machine) return option == "--budget" || option == "--reserve" || option == "--gpu";
  if (group == k_requirements) return option == "--min-grade";
  if (group == k_output) return option != "--explain" && option != "--sort" && option != "--plain" && option != "--ids";
  return true;
}

/// Which groups a command understands; an option of another group is an error.
bool takes_group(Command command, std::string_view group, std::string_view option)
{
  const bool grading = command == Command::grade || command == Command::check || command == Command::plan;
  if (option == "--goal") return command == Command::plan;
  if (option == "--save" || option == "--deadline") return command == Command::verify;
  if (option == "--policy") return command == Command::check;
  if (option == "--emit") return command == Command::grade || command == Command::plan;
  if (option == "--host") return command == Command::grade || command == Command::probe;
  if (group == k_fleet) return command == Command::fleet;
  if (command == Command::fleet) return fleet_takes(group, option);
  if (group == k_other || grading) return true;
  if (command == Command::completion) return option == "--output";
  // On this machine: what would describe another one is refused.
  if (command == Command::verify) return group == k_how || (group == k_output && (option == "--json" || option == "--output" || option == "--format")) || option == "--probe-timeout";
  if (group == k_machine) return command == Command::probe || command == Command::doctor;
  if (command == Command::models && group == k_what) return option != "--quant" && option != "--all";
  if (group != k_output) return false;
  if (option == "--ids") return command == Command::models || command == Command::gpus;
  return option == "--json" || option == "--output" || option == "--format";
}

/// Raised by a value that does not parse; its message is a whole sentence already.
struct BadValue : CLI::ValidationError {
  explicit BadValue(const std::string& flag, const std::string& message) : CLI::ValidationError(flag, message) {}
};

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

/// A name of an enumeration, or the list of those there are.
template <typename T>
std::function<Result<T>(std::string_view)> one_of(std::optional<T> (*parse)(std::string_view), std::string_view what,
                                                  std::string_view choices)
{
  return [=](std::string_view text) -> Result<T> {
    if (const auto value = parse(text)) return *value;
    return fail(ErrorKind::invalid_argument, fmt::format("'{}' is not {}; choose one of {}", text, what, choices));
  };
}

std::function<Result<std::uint32_t>(std::string_view)> count_from(std::uint32_t least, std::uint32_t most = 1U << 20U)
{
  return [=](std::string_view text) { return parse_count(text, least, most); };
}

/// "3B..14B", "..8B", "30B..": numbers of parameters, both ends included.
Result<std::pair<std::uint64_t, std::uint64_t>> parse_params_range(std::string_view text)
{
  const auto wrong = fail(ErrorKind::invalid_argument,
                          fmt::format("'{}' is not a range of parameters; write 3B..14B, ..8B or 30B..", text));
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

/// From 1 to `most`.
std::function<Result<std::uint32_t>(std::string_view)> count_to(std::uint32_t most)
{
  return [=](std::string_view text) -> Result<std::uint32_t> {
    const auto n = parse_count(text, 1);
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
  return fail(ErrorKind::invalid_argument, fmt::format("no target is called '{}'; choose one of {}", text, fmt::join(targets, ", ")));
}

Result<Shard> parse_shard(std::string_view text)
{
  const auto slash = text.find('/');
  const auto index = parse_count(text.substr(0, slash), 1);
  const auto of = slash == std::string_view::npos ? index : parse_count(text.substr(slash + 1), 1);
  if (slash != std::string_view::npos && index && of && *index <= *of && *of <= 100000) return Shard{*index, *of};
  return fail(ErrorKind::invalid_argument, fmt::format("'{}' is not a part of a fleet; write --shard 1/4 for the first of four", text));
}

/// A host's name as DNS and schedulers write it: it goes into labels, file names and shell commands.
Result<std::string> parse_host(std::string_view text)
{
  const bool plain = std::ranges::all_of(text, [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_'; });
  if (plain && !text.empty() && text.size() <= 253 && text.front() != '-') return std::string(text);
  return fail(ErrorKind::invalid_argument, fmt::format("'{}' is not the name of a host; write letters, digits, '-', '.' and '_', as in --host node-17", text));
}

std::optional<ColourChoice> parse_colour(std::string_view text)
{
  if (text == "auto") return ColourChoice::automatic;
  if (text == "always") return ColourChoice::always;
  if (text == "never") return ColourChoice::never;
  return std::nullopt;
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
  const auto cache_type =
      one_of<TensorType>(parse_cache_type, "a cache type", k_cache_type_names);
  value_option<std::uint32_t>(
      app, k_how, "-c,--ctx,--ctx-size", parse_tokens, [&w](auto n) { w.n_ctx = n; },
      "Tokens of context, shared by all sequences [8192, at most the trained context]", "N");
  value_option<std::uint32_t>(
      app, k_how, "--depth", parse_tokens, [&w](auto n) { w.depth = n; },
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
  flag(app, k_how, "--swa-full", w.swa_full, "Full-size cache for sliding windows");
  count(
      "--outputs", 0, [&w](auto n) { w.n_outputs_max = n; }, "Rows of logits per micro-batch [as many as it has]");
  value_option<std::vector<double>>(
      app, k_how, "--tensor-split", parse_shares, [&p](auto s) { p.tensor_split = std::move(s); },
      "Shares of the GPUs (-ts), such as 3,1", "LIST");
  value_option<Runtime>(
      app, k_how, "--runtime", one_of<Runtime>(parse_runtime, "a runtime", "llama.cpp, llama-server, ollama, lm-studio, vllm"),
      [&w](auto r) { w.runtime = r; }, "llama.cpp, llama-server, ollama, lm-studio or vllm", "NAME");
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

Result<bool> parse_probe_depth(std::string_view text)
{
  if (text == "deep" || text == "normal") return text == "deep";
  return fail(ErrorKind::invalid_argument, fmt::format("'{}' is not a depth of the probe; use normal or deep", text));
}

void add_machine(CLI::App& app, Options& o)
{
  auto& m = o.machine;
  const auto size = [&](const char* flags, std::function<void(Bytes)> set, const char* help) {
    value_option<Bytes>(app, k_machine, flags, parse_size, std::move(set), help, "SIZE");
  };
  strings(app, k_machine, "--hardware", o.profiles, "A profile of `canirun probe --json`, several to compare; - is stdin", "FILE");
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
      app, k_machine, "--host", parse_host, [&m](auto h) { m.host = std::move(h); }, "Name of the machine in its profile [none]", "NAME");
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
  strings(app, k_fleet, "--model", o.fleet.models, "This model (repeat for several) [the models of the list of a machine]", "MODEL");
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

/// The parser: every option is an option of the program, commands only change which are understood.
void add_everything(CLI::App& app, Options& o)
{
  app.set_help_flag();
  app.allow_extras();
  app.add_option("MODEL", o.words)->group("");
  for (const auto& info : k_commands) {
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

std::vector<std::string> option_names(const CLI::App& app)
{
  std::vector<std::string> names;
  for (const auto* option : app.get_options()) {
    for (const auto& n : option->get_lnames()) names.push_back("--" + n);
  }
  return names;
}

std::string_view command_name(Command command)
{
  const auto found = std::ranges::find(k_commands, command, &CommandInfo::command);
  return found == k_commands.end() ? "canirun" : found->name;
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
    const auto near = nearest_name(flag_name, option_names(app));
    return fail(ErrorKind::invalid_argument,
                fmt::format("no option is called '{}'; {}", flag_name,
                            near.empty() ? "`canirun --help` lists all" : fmt::format("did you mean '{}'?", near)));
  }
  if (o.help != Help::none || o.version) return o;
  if (!o.profiles.empty()) o.machine.hardware = o.profiles.front();
  if (o.profiles.size() > 1 && o.command != Command::grade && o.command != Command::check) {
    return fail(ErrorKind::invalid_argument,
                fmt::format("`canirun {}` is about one machine and --hardware was given {} times", command_name(o.command),
                            o.profiles.size()));
  }
  for (const auto* option : app.get_options()) {
    if (option->count() == 0 || option->get_lnames().empty()) continue;
    const auto option_name = "--" + option->get_lnames().front();
    if (!takes_group(o.command, option->get_group(), option_name)) {
      return fail(ErrorKind::invalid_argument,
                  fmt::format("{} does not take {}; `canirun {} --help` lists what it takes",
                              o.command == Command::grade ? "grading" : fmt::format("`canirun {}`", command_name(o.command)),
                              option_name, command_name(o.command)));
    }
  }
  if (o.question.workload.runtime == Runtime::llama_cpp) o.question.workload.runtime = runtime_of_target(o.emit);
  if (auto taken = take_quants(o.quants, o.question); !taken) return tl::unexpected(taken.error());
  return o;
}

std::string brief_help()
{
  return R"(Tells which AI models this machine can run, how well, and why.

  canirun                    this machine and its ranked list of models
  canirun llama-2-70b        one model: a row per quantisation, the best pick, the command

usage: canirun [MODEL...] [options]       MODEL: a name, a .gguf file, a config.json
       canirun check MODEL... [requirements]       canirun plan MODEL [requirements]
       canirun fleet PROFILE...    canirun probe | models | gpus | doctor

  --all, --task T, --search TEXT    models of the catalogue
  -q, --quant LIST                  quantisations, such as Q4_K_M,Q8_0 or all
  -c, --ctx N                       tokens of context, such as 32k
  -ngl N, -ctk TYPE, -fa WHEN ...   llama.cpp's flags
  --gpu NAME, --ram SIZE, --no-gpu  another machine; --hardware FILE a whole profile
  --min-grade G, --min-speed TPS    requirements: exit status 1 if one is not met
  --json, --format NAME, -o FILE    for scripts
  --explain                         where each figure comes from

Exit status: 0 done, 1 a requirement is not met, 2 wrong question, 3 cannot read or write.
canirun --help lists every option.
)";
}

std::string full_help(Command command)
{
  Options o;
  CLI::App app;
  add_everything(app, o);
  std::string out;
  if (command == Command::grade) {
    out = "Tells which AI models this machine can run, how well, and why.\n\nusage: canirun [MODEL...] [options]\n";
    out +=
        "\nMODEL is a name of the catalogue (canirun models), a .gguf file, a Hugging Face config.json or its "
        "folder.\n\nCommands\n";
    for (const auto& info : k_commands) out += fmt::format("  {:<12} {}\n", info.name, info.help);
  } else {
    const auto found = std::ranges::find(k_commands, command, &CommandInfo::command);
    const auto synopsis = std::ranges::find(k_synopses, found->name, &Synopsis::command);
    const bool known = synopsis != k_synopses.end();
    out = fmt::format("{}.\n\nusage: canirun {} {}\n", found->help, found->name, known ? synopsis->words : "[options]");
    if (known) out += fmt::format("example: {}\n", synopsis->example);
  }
  for (const auto* group : {k_what, k_how, k_machine, k_fleet, k_requirements, k_output, k_other}) {
    std::string lines;
    for (const auto* option : app.get_options()) {
      if (option->get_group() != group) continue;
      const auto& l = option->get_lnames();
      if (!takes_group(command, group, l.empty() ? "" : "--" + l.front())) continue;
      std::string names;
      for (const auto& n : option->get_snames()) names += (names.empty() ? "-" : ", -") + n;
      for (const auto& n : l) names += (names.empty() ? "    --" : ", --") + n;
      if (option->get_items_expected_max() > 0) names += " " + option->get_type_name();
      lines += names.size() > 30 ? fmt::format("  {}\n  {:<30} {}\n", names, "", option->get_description())
                                 : fmt::format("  {:<30} {}\n", names, option->get_description());
    }
    if (!lines.empty()) out += fmt::format("\n{}\n{}", group, lines);
  }
  if (command == Command::grade) {
    out +=
        "\nExamples\n  canirun llama-3.1-8b --gpu \"RTX 3060\" --ctx 32k\n  canirun --task code --json\n"
        "  canirun check llama-3.1-8b --quant Q4_K_M --min-grade B --min-ctx 16384\n"
        "  canirun plan llama-2-70b --min-grade B --min-speed 20\n  canirun plan llama-3.1-8b --goal context\n";
  }
  out +=
      "\nExit status: 0 done, 1 a requirement is not met, 2 the question was wrong, 3 the machine could not be\n"
      "examined or output could not be written.\n";
  return out;
}

std::vector<FlagInfo> all_flags()
{
  Options o;
  CLI::App app;
  add_everything(app, o);
  std::vector<FlagInfo> flags;
  for (const auto* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    std::string names;
    for (const auto& n : option->get_snames()) names += (names.empty() ? "-" : " -") + n;
    for (const auto& n : option->get_lnames()) names += (names.empty() ? "--" : " --") + n;
    const bool takes_value = option->get_items_expected_max() > 0;
    flags.push_back({names, option->get_description(), option->get_group(), takes_value ? option->get_type_name() : ""});
  }
  return flags;
}

std::vector<std::string> command_names()
{
  std::vector<std::string> names;
  for (const auto& info : k_commands) names.emplace_back(info.name);
  return names;
}

std::string_view command_help(std::string_view name)
{
  const auto found = std::ranges::find(k_commands, name, &CommandInfo::name);
  return found == k_commands.end() ? "" : found->help;
}

std::string nearest_name(std::string_view typed, std::span<const std::string> known) { return std::string(nearest(typed, known)); }

}  // namespace canirun
