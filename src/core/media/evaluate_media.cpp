#include "media/evaluate_media.hpp"

#include <algorithm>
#include <cctype>

#include "best_quant.hpp"
#include "canirun/core/media.hpp"
#include "canirun/core/tensor_plan.hpp"

namespace canirun {

bool is_media(const ModelSpec& model)
{
  if (!model.media || !model.tensors.empty()) return false;
  if (model.kind == ModelKind::image || model.kind == ModelKind::video) return true;
  return model.kind == ModelKind::audio && unplannable(model);
}

void evaluate_media(const ModelSpec& model, const HardwareProfile& hardware, const Question& question, ModelReport& report)
{
  report.n_ctx = 0;
  if (model.kind == ModelKind::audio) evaluate_speech(model, hardware, question, report);
  else evaluate_images(model, hardware, question, report);
}

std::vector<MediaType> media_types(const Question& question, std::span<const FileType> defaults)
{
  std::vector<MediaType> types;
  const auto asked = question.quants.empty() ? defaults : std::span<const FileType>(question.quants);
  for (const auto file_type : asked) {
    const auto type = default_tensor_type(file_type);
    const bool known = std::ranges::find(types, type, &MediaType::type) != types.end();
    // i-quants and ternary types need an importance matrix or weights made for them; they are llama-quantize's alone.
    const auto first = traits(type).name.front();
    if (known || first == 'i' || first == 't' || type == TensorType::mxfp4 || type == TensorType::nvfp4) continue;
    std::string label(traits(type).name);
    std::ranges::transform(label, label.begin(), [](unsigned char c) { return std::toupper(c); });
    types.push_back({file_type, type, std::move(label)});
  }
  return types;
}

void choose_rows(const std::vector<MediaType>& types, const Question& question, ModelReport& report,
                 const std::function<Bytes(const MediaType&)>& bytes_of,
                 const std::function<QuantReport(const MediaType&)>& grade)
{
  std::vector<Bytes> files;
  std::vector<QuantChoice> choices;
  for (const auto& type : types) {
    files.push_back(bytes_of(type));
    choices.push_back({type.file_type, bits_per_weight(files.back(), report.n_params)});
  }
  const auto row_of = [&](std::size_t i) {
    auto row = grade(types[i]);
    row.quant = types[i].file_type;
    row.quant_label = types[i].label;
    row.file_bytes = files[i];
    row.bits_per_weight = choices[i].bits;
    return row;
  };
  if (question.best_only) {
    std::vector<std::optional<QuantReport>> rows(types.size());
    const auto best = best_quant(choices, [&](std::size_t i) {
      rows[i] = row_of(i);
      return rows[i]->grade.letter;
    });
    if (!best) return;
    report.quants.push_back(std::move(*rows[*best]));
    report.best = 0;
  } else {
    for (std::size_t i = 0; i < types.size(); ++i) {
      report.quants.push_back(row_of(i));
      choices[i].letter = report.quants.back().grade.letter;
    }
    report.best = best_quant(choices);
  }
  if (report.best) report.grade = report.quants[*report.best].grade.letter;
}

}  // namespace canirun
