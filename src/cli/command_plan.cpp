#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "canirun/core/plan.hpp"
#include "canirun/formats/plan_cards.hpp"
#include "canirun/core/tensor_plan.hpp"
#include "commands.hpp"
#include "machine.hpp"
#include "models.hpp"
#include "output.hpp"
#include "render/text.hpp"
#include "render/text_table.hpp"

namespace canirun {

namespace {

using json = nlohmann::ordered_json;

/// Machines of the table where no number was asked for: they fit a screen.
constexpr std::size_t k_rows_of_a_screen = 20;

/// Nobody builds a machine of several laptops.
void drop_several_laptops(std::vector<PlannedMachine>& machines, const GpuTable& table)
{
  std::erase_if(machines, [&](const PlannedMachine& m) {
    const auto* entry = table.find_id(m.card_id);
    return m.count > 1 && entry && entry->form == "laptop";
  });
}

/// What `--gpu` takes for the machine, or "" for a CPU alone.
std::string gpu_argument(const PlannedMachine& m)
{
  if (m.count == 0) return "";
  const auto& gpu = m.hardware.gpus.front();
  return fmt::format("{}{}:{:g}G", m.count > 1 ? fmt::format("{}x ", m.count) : "", gpu.name,
                     to_gib(gpu.memory_total->bytes()).value);
}

template <typename T>
json value_or_null(const std::optional<T>& value)
{
  return value ? json(*value) : json(nullptr);
}

json machine_json(const PlannedMachine& m)
{
  const auto gpu = gpu_argument(m);
  return {{"name", m.name},
          {"gpu", gpu.empty() ? json(nullptr) : json(gpu)},
          {"card", m.card_id.empty() ? json(nullptr) : json(m.card_id)},
          {"count", m.count},
          {"vram_bytes", m.vram.count},
          {"ram_bytes", m.hardware.memory.total ? json(m.hardware.memory.total->count) : json(nullptr)},
          {"grade", name(m.grade.letter)},
          {"limited_by", name(m.grade.limited_by)},
          {"headroom", std::round(m.headroom * 1e4) / 1e4},
          {"generation_tps", m.tokens_per_second ? json(std::round(*m.tokens_per_second * 100) / 100) : json(nullptr)}};
}

json plan_json(const HardwarePlan& plan)
{
  json machines = json::array();
  for (const auto& m : plan.machines) machines.push_back(machine_json(m));
  const auto bytes = [](const std::optional<Bytes>& b) { return b ? json(b->count) : json(nullptr); };
  return {{"quant", plan.quant},
          {"least",
           {{"vram_bytes", bytes(plan.least.vram)},
            {"ram_bytes", bytes(plan.least.ram)},
            {"bandwidth_bytes_per_s", value_or_null(plan.least.bandwidth)}}},
          {"machines", std::move(machines)}};
}

std::string least_text(const LeastHardware& least)
{
  const auto size = [](const std::optional<Bytes>& b) { return b ? size_text(*b) : std::string("no amount is enough"); };
  auto text = fmt::format("Least  one card: {}", size(least.vram));
  if (least.vram && least.bandwidth) text += fmt::format(" at {}", bandwidth_text(*least.bandwidth));
  return text + fmt::format("\n       this CPU without a GPU: {}{}\n", size(least.ram), least.ram ? " of RAM" : "");
}

std::string plan_text(const HardwarePlan& plan, const Options& o, const Style& style, std::uint32_t width)
{
  auto out = style.bold(plan.quant) + "\n" + least_text(plan.least) + "\n";
  if (plan.machines.empty())
    return out +
           (plan.refused.empty() ? "No machine of the GPU table is enough.\n" : fmt::format("No machine: {}.\n", plan.refused));
  TextTable table({{"grade", false}, {"machine", false, true}, {"VRAM", true}, {"t/s", true}, {"headroom", true}});
  const auto most = o.limit > 0 ? std::size_t{o.limit} : k_rows_of_a_screen;
  const auto shown = std::min(most, plan.machines.size());
  const auto add = [&](const PlannedMachine& m) {
    auto label = m.name;
    if (const auto at = label.find("×"); at != std::string::npos) label.replace(at, std::string_view("×").size(), style.times());
    table.add({{std::string(name(m.grade.letter)), m.grade.letter},
               {clean(label, !style.unicode)},
               {m.count > 0 ? size_text(m.vram) : std::string(style.dash())},
               {m.tokens_per_second ? rate_text(*m.tokens_per_second) : "?"},
               {fmt::format("{:.0f} %", 100 * m.headroom)}});
  };
  for (std::size_t i = 0; i < shown; ++i) add(plan.machines[i]);
  out += table.text(style, width);
  if (shown < plan.machines.size())
    out += fmt::format("{} more; -n {} or --json lists them\n", plan.machines.size() - shown, plan.machines.size());
  return out;
}

/// Tab-separated lines for scripts; sizes in bytes, what is unknown is "?".
std::string plan_plain(const std::vector<HardwarePlan>& plans)
{
  std::string out = "quant\tgrade\tmachine\tvram_bytes\tgeneration_tps\theadroom\n";
  for (const auto& plan : plans) {
    for (const auto& m : plan.machines) {
      out += fmt::format("{}\t{}\t{}\t{}\t{}\t{:.4f}\n", plan.quant, name(m.grade.letter), clean(m.name), m.vram.count,
                         m.tokens_per_second ? fmt::format("{:.2f}", *m.tokens_per_second) : "?", m.headroom);
    }
  }
  return out;
}

/// The best settings are an ordinary report of one row; where there are none, of a model without rows that says so.
Result<int> run_goal(const Options& o, const Environment& env, const AskedModel& subject, const HardwareProfile& hardware,
                     const Requirement& requirement)
{
  auto chosen = o;
  chosen.question.best_only = false;
  const auto settings = best_settings(*subject.spec, subject.facts, hardware, o.question, requirement, *o.goal);
  if (settings) {
    chosen.question.workload = settings->workload;
    chosen.question.quants = {settings->quant};
  }
  auto model = evaluate(*subject.spec, subject.facts, hardware, chosen.question);
  if (!settings) {
    model.grade.reset();
    model.best.reset();
    model.quants.clear();
    model.notes = {fmt::format("no settings reach grade {}{} on this machine; `canirun plan {}` says what would",
                               name(requirement.min_grade),
                               requirement.min_speed ? fmt::format(" and {:g} t/s", *requirement.min_speed) : "", model.id)};
  }
  std::vector<ModelReport> models;
  models.push_back(std::move(model));
  return emit_report(make_report(chosen, hardware, std::move(models)), chosen, env, settings ? k_done : k_not_met);
}

}  // namespace

Result<int> run_plan(const Options& o, const Environment& env)
{
  if (o.words.size() != 1)
    return fail(ErrorKind::invalid_argument, "plan needs one model, as in `canirun plan llama-3.1-70b --min-grade B`");
  if (!o.goal && o.format != "table" && o.format != "json") {
    return fail(ErrorKind::invalid_argument, fmt::format("`canirun plan` has the formats table and json, not {}", o.format));
  }
  if (!o.goal && !o.emit.empty()) return fail(ErrorKind::invalid_argument, "plan finds machines, not a run: --emit needs --goal");
  const auto runtime = o.question.workload.runtime;
  if (runtime == Runtime::diffusers) {
    return fail(ErrorKind::invalid_argument,
                "plan finds machines for models that generate text; --gpu CARD without plan grades a card for an image model");
  }
  if (o.goal && loads_checkpoints(runtime)) {
    return fail(
        ErrorKind::invalid_argument,
        fmt::format("--goal searches llama.cpp's settings; `canirun {} --runtime {}` has each checkpoint with the longest "
                    "context that fits",
                    o.words.front(), name(runtime)));
  }
  const auto& stated = o.question.placement;
  if (!o.goal && (stated.n_gpu_layers || stated.n_cpu_moe > 0 || !stated.tensor_split.empty() || stated.backend)) {
    return fail(ErrorKind::invalid_argument,
                "plan puts everything on the cards: --gpu-layers, --cpu-moe, --tensor-split and --backend need --goal");
  }
  const auto catalogue = catalogue_for(o.words, {}, env.data, o.catalogue_files);
  if (!catalogue) return tl::unexpected(catalogue.error());
  const auto set = models_of(o.words, {}, *catalogue);
  if (!set) return tl::unexpected(set.error());
  if (set->subjects.size() != 1)
    return fail(ErrorKind::invalid_argument, fmt::format("plan needs one model and {} has several", o.words.front()));
  const auto& subject = set->subjects.front();
  const auto& spec = *subject.spec;
  if (const auto why = unplannable(spec))
    return fail(ErrorKind::invalid_argument,
                fmt::format("{} cannot be planned: {}{}", o.words.front(), *why,
                            spec.kind != ModelKind::text ? "; --gpu CARD without plan grades a card" : ""));
  const auto table = load_gpu_table(env.data, {});
  if (!table) return tl::unexpected(table.error());
  const auto hardware = machine_of(o.machine, env, *table);
  if (!hardware) return tl::unexpected(hardware.error());

  Requirement requirement;
  requirement.min_grade = o.requirements.min_grade.value_or(requirement.min_grade);
  requirement.min_speed = o.requirements.min_speed;
  auto options = o;
  if (o.requirements.min_ctx) {
    auto& n_ctx = options.question.workload.n_ctx;
    n_ctx = std::max(resolve(options.question.workload, spec).n_ctx, *o.requirements.min_ctx);
  }
  if (o.goal) return run_goal(options, env, subject, *hardware, requirement);

  const auto cards = plan_cards(*table);
  std::vector<HardwarePlan> plans;
  auto types = o.question.checkpoints;
  if (loads_checkpoints(runtime) && types.empty()) types = {usual_checkpoint(spec, runtime)};
  plans.reserve(types.size());
  for (const auto type : types)
    plans.push_back(plan_hardware(spec, subject.facts, type, options.question, requirement, *hardware, cards));
  auto quants = loads_checkpoints(runtime) ? std::vector<FileType>() : o.question.quants;
  if (types.empty() && !spec.tensors.empty()) quants = {spec.file_type.value_or(FileType::F16)};
  if (types.empty() && quants.empty()) quants = {spec.native_type.value_or(FileType::Q4_K_M)};
  for (const auto quant : quants) plans.push_back(plan_hardware(spec, quant, options.question, requirement, *hardware, cards));
  for (auto& plan : plans) drop_several_laptops(plan.machines, *table);
  const bool none = std::ranges::all_of(plans, [](const HardwarePlan& p) { return p.machines.empty(); });
  const auto n_ctx = resolve(options.question.workload, spec).n_ctx;
  if (o.format == "json") {
    json all = json::array();
    for (const auto& plan : plans) all.push_back(plan_json(plan));
    const json document{
        {"schema", "canirun.plan/1"},
        {"canirun", CANIRUN_VERSION},
        {"model", spec.id},
        {"name", spec.name},
        {"n_ctx", n_ctx},
        {"requirement", {{"min_grade", name(requirement.min_grade)}, {"min_tps", value_or_null(requirement.min_speed)}}},
        {"plans", std::move(all)}};
    return emit(document.dump(2, ' ', false, json::error_handler_t::replace) + "\n", o, none ? k_not_met : k_done);
  }
  if (o.plain) return emit(plan_plain(plans), o, none ? k_not_met : k_done);
  const auto view = render_options(o, env, false);
  const Style style(view);
  auto out = cut(fmt::format("{}{}{} tokens of context{}at least grade {}{}", clean(spec.name, !style.unicode), style.dot(),
                             n_ctx, style.dot(), name(requirement.min_grade),
                             requirement.min_speed ? fmt::format(" and {:g} t/s", *requirement.min_speed) : ""),
                 view.width, style.ellipsis()) +
             "\n";
  for (const auto& plan : plans) out += "\n" + plan_text(plan, o, style, view.width);
  return emit(out, o, none ? k_not_met : k_done);
}

}  // namespace canirun
