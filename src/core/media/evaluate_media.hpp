#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "canirun/core/evaluate.hpp"

/// \file
/// The chain for models that llama.cpp does not run. `report` has the model's facts already; rows, best row and notes are added.

namespace canirun {

/// True for image, video and speech models without a tensor plan of llama.cpp.
bool is_media(const ModelSpec& model);

void evaluate_media(const ModelSpec& model, const HardwareProfile& hardware, const Question& question, ModelReport& report);

/// One row: what its weights are stored in, its name in the list.
struct MediaType {
  FileType file_type = FileType::F16;
  TensorType type = TensorType::f16;
  std::string label;
  std::optional<CheckpointType> checkpoint = {};  ///< Of a program that loads checkpoints: instead of `type`.
};
/// The types of the listing, fewest bits first: those that were asked for, as far as such programs have them.
std::vector<MediaType> media_types(const Question& question, std::span<const FileType> defaults);

void evaluate_images(const ModelSpec& model, const HardwareProfile& hardware, const Question& question, ModelReport& report);
void evaluate_speech(const ModelSpec& model, const HardwareProfile& hardware, const Question& question, ModelReport& report);

/// Fills `report.quants`, `best` and `grade` from one row a type, or the best row only. `bytes_of`: of the file; `grade`: all of a row
/// that does not follow from its type and file.
void choose_rows(const std::vector<MediaType>& types, const Question& question, ModelReport& report,
                 const std::function<Bytes(const MediaType&)>& bytes_of,
                 const std::function<QuantReport(const MediaType&)>& grade);

}  // namespace canirun
