#include "canirun/core/evaluate.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "best_quant.hpp"
#include "checkpoint_plan.hpp"
#include "canirun/core/command.hpp"
#include "canirun/core/media.hpp"
#include "canirun/core/projector.hpp"
#include "graph/backend_rules.hpp"
#include "graph/backend_support.hpp"
#include "media/evaluate_media.hpp"
#include "placement_search.hpp"
#include "quantize.hpp"
#include "row.hpp"
#include "transformers/transformers.hpp"
#include "vllm/vllm.hpp"

namespace canirun {

namespace {

std::string gib(Bytes b) { return fmt::format("{:.1f} GiB", to_gib(b).value); }

/// The file types of the listing. A file has one: its own.
std::vector<FileType> types_of(const ModelSpec& model, const Question& question)
{
  if (!model.tensors.empty()) return {model.file_type.value_or(FileType::F16)};
  if (!question.quants.empty()) return question.quants;
  const auto defaults = default_file_types();
  std::vector<FileType> types(defaults.begin(), defaults.end());
  if (model.native_type && std::ranges::find(types, *model.native_type) == types.end()) types.push_back(*model.native_type);
  return types;
}

/// Where a file of this row would be: the file itself, or a name that says which one to get.
std::string file_of(const ModelSpec& model, const ModelFacts& facts, FileType quant)
{
  if (!model.tensors.empty() && facts.source != "catalogue") return facts.source;
  return fmt::format("{}-{}.gguf", model.id, name(quant));
}

std::vector<DeviceReport> device_reports(const Machine& machine, const Trial& trial)
{
  std::vector<DeviceReport> devices;
  for (std::size_t i = 0; i < trial.placement.gpus.size(); ++i) {
    const auto gpu = trial.placement.gpus[i];
    devices.push_back(
        {fmt::format("gpu{}", gpu), machine.hardware->gpus[gpu].name, trial.memory.gpus[i], machine.gpu_budget[gpu]});
  }
  devices.push_back({"host", machine.hardware->cpu.model, trial.memory.host, trial.room.host_budget});
  return devices;
}

/// What a person should know about this row besides its figures.
std::vector<std::string> notes_of(const Subject& subject, const Trial& trial, const Question& question)
{
  std::vector<std::string> notes;
  const auto& p = trial.placement;
  if (p.gpus.size() > 1) notes.push_back(fmt::format("needs {} GPUs", p.gpus.size()));
  if (trial.fits && p.n_cpu_moe > 0) {
    notes.push_back(fmt::format("experts of {} of {} layers stay in RAM", std::min(p.n_cpu_moe, p.n_layers), p.n_layers));
  } else if (trial.fits && p.mode == Placement::Mode::split && p.n_gpu_layers <= p.n_layers) {
    notes.push_back(fmt::format("{} of {} layers stay in RAM", p.n_layers + 1 - p.n_gpu_layers, p.n_layers));
  }
  if (const auto& work = subject.memory.work(p.backend); work.kept_type) {
    const bool has_vulkan = p.backend == Backend::cuda || p.backend == Backend::rocm;
    const bool vulkan_can = has_vulkan && supports_matrix(Backend::vulkan, *work.kept_type);
    notes.push_back(fmt::format("{} weights stay in RAM and are computed on the CPU: {} has no kernels for them{}",
                                traits(*work.kept_type).name, name(p.backend), vulkan_can ? " (--backend vulkan has)" : ""));
  } else if (work.kept_large) {
    notes.push_back(fmt::format("weights of more than {} in one piece stay in RAM and are computed on the CPU",
                                gib(Bytes{max_tensor_size(p.backend)})));
  }
  if (!trial.memory.flash_attn && subject.workload.flash_attn == FlashAttention::automatic && subject.model.causal) {
    notes.push_back("flash attention is off with this placement");
  }
  if (trial.memory.total().projector.count > 0) {
    notes.push_back(subject.workload.projector->of_catalogue
                        ? "the projector's compute buffer is known with its file only (--mmproj FILE): 0.1 to 1.2 GiB more"
                        : "images larger than the one that llama.cpp reserves for take more than the projector has here");
  }
  if (const auto scores = scores_beyond_buffer(subject.model, subject.workload, p, trial.memory)) {
    notes.push_back(
        fmt::format("attention scores of {} are more than one Vulkan buffer holds (4 GiB): leave flash attention on, or take "
                    "a shorter context or a smaller --ubatch",
                    gib(*scores)));
  }
  if (trial.fits && subject.model.media && subject.model.media->tokens_per_second > 0 && trial.speed.generation_tps) {
    notes.push_back(fmt::format("{:.0f} tokens are a second of sound: {:.1f} times real time",
                                subject.model.media->tokens_per_second,
                                trial.speed.generation_tps->estimate / subject.model.media->tokens_per_second));
  }
  if (trial.memory.caches_known && !trial.memory.compute_known)
    notes.push_back("compute buffers are not known for this family: weights and caches only");
  if (trial.fits && question.budget == BudgetKind::capacity) {
    auto now = question;
    now.budget = BudgetKind::free;
    const auto machine_now = examine(*subject.machine.hardware, now);
    if (headroom(machine_now, p, trial.memory).share < 0) {
      Bytes used;
      for (const auto g : p.gpus) used += saturating_sub(subject.machine.gpu_budget[g], machine_now.gpu_budget[g]);
      const auto ram = saturating_sub(subject.machine.host_budget, machine_now.host_budget);
      notes.push_back(p.gpus.empty() || used.count == 0
                          ? fmt::format("fits, but not now: {} of RAM are in use", gib(ram))
                          : fmt::format("fits, but not now: {} of the GPU and {} of RAM are in use", gib(used), gib(ram)));
    }
  }
  return notes;
}

/// The file of a row.
struct RowFile {
  Bytes total, loaded;  ///< Of all its tensors, and of those that a run loads.
  BitsPerWeight bits;
  std::optional<Bytes> at_release = {};  ///< All of it, by the rules of llama-quantize when the model came out, where they differ.
};

/// The file of `type` that is published: most were made when the model came out, and keep the types of that time.
std::optional<Bytes> bytes_at_release(const TypeChooser& chooser, QuantizeRules rules, FileType type, Bytes now)
{
  if (rules == QuantizeRules::current) return std::nullopt;
  const auto then = chooser.sizes(type, {.rules = rules}).all;
  return then == now ? std::nullopt : std::optional(then);
}

/// By 1 % or more.
bool differs_visibly(Bytes a, Bytes b) { return 100 * (std::max(a, b).count - std::min(a, b).count) >= b.count; }

QuantReport graded_row(const Subject& subject, const ModelFacts& facts, FileType quant, const RowFile& file, const Trial& trial,
                       const Question& question)
{
  QuantReport row;
  const auto& model = subject.model;
  row.quant = quant;
  if (!model.tensors.empty() && !model.file_type) row.quant_label = "mixed";
  row.grade = trial.grade;
  row.fits = trial.fits;
  row.file_bytes = model.file_bytes > 0 ? Bytes{model.file_bytes} : file.total;
  row.file_bytes_at_release = file.at_release;
  row.bits_per_weight = file.bits;
  row.placement = trial.placement;
  row.flash_attn = trial.memory.flash_attn;
  row.caches_known = trial.memory.caches_known;
  row.compute_known = trial.memory.compute_known;
  row.memory = trial.memory.total();
  row.devices = device_reports(subject.machine, trial);
  row.speed = trial.speed;
  if (row.caches_known) row.max_ctx = max_context(subject, trial);
  row.notes = notes_of(subject, trial, question);
  if (file.at_release && differs_visibly(*file.at_release, file.total)) {
    row.notes.push_back(
        fmt::format("files of {} take {}: llama-quantize chose other types then", facts.release, gib(*file.at_release)));
  }
  row.file = file_of(model, facts, quant);
  if (trial.fits) {
    const RunRequest run{.file = row.file,
                         .n_ctx = resolve(subject.workload, model).n_ctx,
                         .embedding = model.kind == ModelKind::embedding,
                         .workload = subject.workload,
                         .placement = trial.placement,
                         .hardware = *subject.machine.hardware,
                         .checkpoint = {},
                         .projector = row.memory.projector.count > 0 ? subject.workload.projector->file : ""};
    auto words = llama_arguments(run, LlamaProgram::server, Visible::all_gpus);
    words.insert(words.begin(), "llama-server");
    row.command = shell_line(words);
  }
  return row;
}

ModelReport header(const ModelSpec& model, const ModelFacts& facts, const Workload& workload)
{
  ModelReport report;
  report.id = model.id;
  report.name = model.name;
  report.source = facts.source;
  report.kind = model.kind;
  report.tasks = facts.tasks;
  report.n_params = model.n_params;
  report.n_params_active = model.n_params_active;
  report.n_ctx_train = model.n_ctx_train;
  report.n_ctx = resolve(workload, model).n_ctx;
  report.release = facts.release;
  report.license = facts.license;
  report.provider = facts.provider;
  report.family = facts.family;
  report.hf_repo = facts.hf_repo;
  report.diffusers_repo = facts.diffusers_repo;
  report.ollama = facts.ollama;
  return report;
}

std::vector<std::string> model_notes(const ModelSpec& model, const ModelReport& report, const Machine& machine,
                                     const Question& question)
{
  std::vector<std::string> notes;
  if (question.workload.n_ctx > 0 && model.n_ctx_train > 0 && question.workload.n_ctx > model.n_ctx_train) {
    notes.push_back(fmt::format("{} tokens of context are more than the {} it was trained on", report.n_ctx, model.n_ctx_train));
  }
  if (machine.host_budget.count == 0)
    notes.push_back("no RAM may be used: its size is unknown (--ram) or the reserve takes all of it");
  const bool stated = question.placement.n_gpu_layers.value_or(0) != 0 || question.placement.n_cpu_moe ||
                      !question.placement.tensor_split.empty();
  if (machine.gpus_beyond > 0) {
    notes.push_back(fmt::format("one run of llama.cpp uses {} of the {} GPUs at most", machine.gpus.size(),
                                machine.gpus.size() + machine.gpus_beyond));
  }
  if (stated && machine.gpus.empty()) notes.push_back("there is no GPU to use: the stated placement has no effect");
  return notes;
}

}  // namespace

/// What is the same for a model on every machine.
struct Evaluation::State {
  const ModelSpec& model;
  const ModelFacts facts;
  const Question question;
  Workload workload;
  std::optional<std::string> unplannable;

  // Names and shapes are the same for every file type: only the tensor types change from row to row.
  TensorPlan plan;
  std::optional<TypeChooser> chooser;  ///< Nothing for a file: its types stand.
  std::optional<MemoryCache> memory;
  std::optional<CheckpointPlan> checkpoints;  ///< Of runtimes that load them; then there is nothing of the others.
  std::optional<FileType> type_now;
  std::vector<QuantChoice> choices;
  std::optional<Bytes> published_bytes;  ///< Weights in the type they were published in, where that is a quantisation.
  std::vector<RowFile> files;            ///< Of each choice.

  State(const ModelSpec& m, ModelFacts f, Question q);
  void set_type(FileType type);
  ModelReport on(const HardwareProfile& hardware);
};

Evaluation::State::State(const ModelSpec& m, ModelFacts f, Question q)
    : model(m),
      facts(std::move(f)),
      question(std::move(q)),
      workload(workload_of(m, question)),
      unplannable(canirun::unplannable(m))
{
  if (unplannable) return;
  if (loads_checkpoints(workload.runtime)) {
    if (!is_media(model)) checkpoints.emplace(model, question.workload);
    return;
  }
  plan = declare_tensors(model);
  if (model.tensors.empty()) {
    chooser.emplace(model, plan);
    memory.emplace(model, plan, chooser->sites());
  } else {
    memory.emplace(model, plan);
  }
  const auto n_params = plan.n_params();
  const auto* native = chooser && model.native_type ? &*model.native_type : nullptr;
  if (native) published_bytes = chooser->sizes(*native, {}).all;
  for (const auto type : types_of(model, question)) {
    const auto [all, loaded] =
        chooser ? chooser->sizes(type, {}) : TypeChooser::Sizes{plan.total_bytes(), memory->loaded_bytes()};
    files.push_back({all, loaded, bits_per_weight(all, n_params)});
    choices.push_back({.quant = type,
                       .bits = files.back().bits,
                       .requantised = native && !chooser->uses(type, {}, default_tensor_type(*native))});
  }
  if (native) cap_requantised(choices, *native);
}

void Evaluation::State::set_type(FileType type)
{
  if (!chooser || type_now == type) return;
  chooser->apply(type, {}, plan.tensors);
  memory->types_changed();
  type_now = type;
}

namespace {

/// Weights alone say that a model does not fit, never how well it runs.
void withhold_grade(ModelReport& report, const ModelSpec& model)
{
  if (report.quants.empty() || report.quants.front().caches_known) return;
  report.notes.push_back(fmt::format(
      "the architecture '{}' is not known: its weights are exact, its caches and compute buffers are not counted", model.arch));
  if (!report.quants.front().fits) return;
  report.grade.reset();
  report.best.reset();
}

}  // namespace

ModelReport Evaluation::State::on(const HardwareProfile& hardware)
{
  auto report = header(model, facts, workload);
  if (workload.runtime == Runtime::diffusers && model.kind != ModelKind::image && model.kind != ModelKind::video) {
    report.notes.push_back("diffusers runs image and video models");
    return report;
  }
  if (is_media(model)) {
    evaluate_media(model, hardware, question, report);
    return report;
  }
  if (unplannable) {
    report.notes.push_back(*unplannable);
    return report;
  }
  if (workload.runtime == Runtime::vllm) {
    evaluate_vllm(report, model, facts, *checkpoints, hardware, question);
    return report;
  }
  if (workload.runtime == Runtime::transformers) {
    evaluate_transformers(report, model, facts, *checkpoints, hardware, question);
    return report;
  }
  const auto machine = examine(hardware, question);
  report.notes = model_notes(model, report, machine, question);
  const Subject subject{model, plan, machine, workload, *memory};
  std::vector<std::optional<Trial>> trials(choices.size());
  const auto letter_of = [&](std::size_t i) {
    // How far a row misses matters only where it is shown.
    if (question.best_only && is_hopeless(machine, files[i].loaded)) return Letter::F;
    set_type(choices[i].quant);
    trials[i] = find_placement(subject, question.placement);
    return trials[i]->grade.letter;
  };
  const auto add_row = [&](std::size_t i) {
    set_type(choices[i].quant);
    if (!trials[i]) trials[i] = find_placement(subject, question.placement);
    if (chooser) files[i].at_release = bytes_at_release(*chooser, rules_of_month(facts.release), choices[i].quant, files[i].total);
    auto& row = report.quants.emplace_back(graded_row(subject, facts, choices[i].quant, files[i], *trials[i], question));
    if (choices[i].requantised && row.file_bytes > *published_bytes) {
      row.notes.push_back(
          fmt::format("made anew from weights published in {} ({}): larger and no better; a file of this name that "
                      "keeps them is smaller",
                      name(*model.native_type), gib(*published_bytes)));
    }
  };
  if (question.best_only) {
    const auto best = best_quant(choices, letter_of);
    if (!best) return report;
    report.grade = choices[*best].letter;
    report.best = 0;
    add_row(*best);
    withhold_grade(report, model);
    return report;
  }
  for (std::size_t i = 0; i < choices.size(); ++i) {
    choices[i].letter = letter_of(i);
    add_row(i);
  }
  report.best = best_quant(choices);
  if (report.best) report.grade = choices[*report.best].letter;
  withhold_grade(report, model);
  return report;
}

Evaluation::Evaluation(const ModelSpec& model, ModelFacts facts, Question question)
    : state_(std::make_unique<State>(model, std::move(facts), std::move(question)))
{
}
Evaluation::~Evaluation() = default;

ModelReport Evaluation::on(const HardwareProfile& hardware) { return state_->on(hardware); }

ModelReport evaluate(const ModelSpec& model, const ModelFacts& facts, const HardwareProfile& hardware, const Question& question)
{
  return Evaluation(model, facts, question).on(hardware);
}

}  // namespace canirun
