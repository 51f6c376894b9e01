#include "checkpoint_rows.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "best_quant.hpp"

namespace canirun {

namespace {

FileType nearest_file_type(CheckpointType type)
{
  switch (type) {
    case CheckpointType::f32: return FileType::F32;
    case CheckpointType::f16: return FileType::F16;
    case CheckpointType::bf16: return FileType::BF16;
    case CheckpointType::int8:
    case CheckpointType::fp8: return FileType::Q8_0;
    case CheckpointType::mxfp4: return FileType::MXFP4_MOE;
    default: return FileType::Q4_0;
  }
}

bool is_native_mxfp4(const ModelSpec& model) { return model.native_type == FileType::MXFP4_MOE; }

/// True where the published weights are loaded: as they are, or quantised meanwhile.
bool from_published(const ModelSpec& model, CheckpointType type)
{
  if (is_native_mxfp4(model)) return type == CheckpointType::mxfp4;
  return type != CheckpointType::awq && type != CheckpointType::gptq && type != CheckpointType::mxfp4;
}

/// The repository or folder of a row, or a name that says which one to get.
std::string checkpoint_file(const ModelSpec& model, const ModelFacts& facts, CheckpointType type)
{
  const bool published = from_published(model, type);
  if (facts.source != "catalogue" && published) {
    const auto& path = facts.source;
    const auto slash = path.rfind('/');
    if (!path.ends_with(".json")) return path;
    return slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
  }
  if (published && !facts.hf_repo.empty()) return facts.hf_repo;
  return fmt::format("{}-{}", model.id, name(type));
}

}  // namespace

std::vector<CheckpointType> checkpoint_rows(const ModelSpec& model, const Question& question,
                                            std::span<const CheckpointType> defaults)
{
  const auto& asked = question.checkpoints;
  if (!asked.empty() && asked.size() < checkpoint_types(question.workload.runtime).size()) return asked;
  const std::span<const CheckpointType> all = asked.empty() ? defaults : std::span<const CheckpointType>(asked);
  std::vector<CheckpointType> types;
  for (const auto type : all) {
    if ((type == CheckpointType::mxfp4) == is_native_mxfp4(model)) types.push_back(type);
  }
  return types;
}

QuantReport checkpoint_row(const ModelSpec& model, const ModelFacts& facts, CheckpointType type, Bytes bytes, BitsPerWeight bits)
{
  QuantReport row;
  row.quant = nearest_file_type(type);
  row.quant_label = std::string(name(type));
  row.checkpoint = type;
  row.file_bytes = bytes;
  row.bits_per_weight = bits;
  row.file = checkpoint_file(model, facts, type);
  return row;
}

QuantReport refused_checkpoint(QuantReport row, const ModelSpec& model, const std::string& why)
{
  row.placement.mode = Placement::Mode::none;
  row.placement.n_layers = model.n_layer;
  row.notes.push_back(why);
  return row;
}

std::optional<std::string> checkpoint_refuses(const ModelSpec& model, const ModelFacts& facts, const Question& question,
                                              const std::string& program)
{
  const auto& p = question.placement;
  if (!model.tensors.empty())
    return program + " loads Hugging Face checkpoints and this is a GGUF file: name the model or its config.json";
  if (model.kind != ModelKind::text || !model.causal || model.n_layer_dec > 0)
    return "the " + program + " profile covers models that generate text";
  if (model.dsv4 || model.sparse) return "the " + program + " profile does not know the cache of the architecture " + model.arch;
  if (p.n_gpu_layers.value_or(-1) >= 0 && static_cast<std::uint32_t>(*p.n_gpu_layers) <= model.n_layer)
    return program + " places layers itself: --gpu-layers has no meaning";
  if (p.n_cpu_moe.value_or(0) > 0) return program + " does not keep experts apart: --cpu-moe has no meaning";
  if (!p.tensor_split.empty()) return program + " divides a model itself: --tensor-split has no meaning";
  if (!question.workload.offload_kqv) return program + " keeps the cache beside its layers: --no-kv-offload has no meaning";
  if (facts.source == "catalogue" && facts.hf_repo.empty()) return "no published checkpoint of this model is known";
  return std::nullopt;
}

void choose_checkpoint(ModelReport& report, const Question& question)
{
  std::vector<QuantChoice> choices;
  for (const auto& row : report.quants) choices.push_back({row.quant, row.bits_per_weight, row.grade.letter});
  report.best = best_quant(choices);
  if (report.best) report.grade = choices[*report.best].letter;
  if (question.best_only && report.best) {
    auto best = std::move(report.quants[*report.best]);
    report.quants.clear();
    report.quants.push_back(std::move(best));
    report.best = 0;
  }
}

}  // namespace canirun
