#pragma once

#include <string>
#include <vector>

#include "canirun/core/model.hpp"
#include "canirun/core/placement.hpp"

/// \file
/// The vision or audio encoder beside a model ("mmproj"): a GGUF file of its own that llama.cpp's mtmd loads whole.

namespace canirun {

struct Projector {
  std::string name;
  std::vector<FileTensor> tensors;
};

/// Bytes of its weights in one buffer of `backend`: that of the first GPU, or the host's without one (tools/mtmd/clip.cpp: clip_ctx,
/// clip_model_loader::load_tensors, which end in ggml_backend_alloc_ctx_tensors_from_buft). Its compute buffer is not among them.
Bytes projector_weights(const Projector& projector, Backend backend);

/// The same for a catalogue entry, as published in F16; zero for a model without a projector.
Bytes projector_weights(const ModelSpec& model);

}  // namespace canirun
