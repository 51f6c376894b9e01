#pragma once

#include <string>
#include <vector>

#include "canirun/core/model.hpp"
#include "canirun/core/placement.hpp"

/// \file
/// The vision or audio encoder beside a model ("mmproj"): a GGUF file of its own that llama.cpp's mtmd loads whole.

namespace canirun {

/// One encoder of a projector file, as far as its compute buffer depends on it (keys clip.vision.*, clip.audio.*).
struct Tower {
  std::string type;  ///< clip.projector_type: "gemma3", "qwen2.5vl_merger" …
  bool audio = false;
  bool gated = false;     ///< Its feed-forward has a gate.
  bool windowed = false;  ///< Attention in windows: one full mask more.
  std::uint64_t n_embd = 0, n_ff = 0, n_head = 0;
  std::uint64_t image_size = 0, patch_size = 0;  ///< Pixels.
  std::uint64_t n_merge = 0;                     ///< Patches a side that become one token; 0 = not in the file.
};

struct Projector {
  std::string file;  ///< As a command line names it.
  std::vector<FileTensor> tensors;
  std::vector<Tower> towers;
  bool of_catalogue = false;  ///< No file: the model's own projector in F16 (--mmproj auto).
};

/// What a projector takes. `weights` and `compute` are on the first GPU, or in RAM without one; `image` is always in RAM.
struct ProjectorBytes {
  Bytes weights, compute, image;
};

/// Weights are exact for a file: all tensors in one buffer (tools/mtmd/clip.cpp: clip_model_loader::load_tensors, which ends in
/// ggml_backend_alloc_ctx_tensors_from_buft). The compute buffer is an estimate, on the high side, for the image that llama.cpp reserves when it
/// starts (docs/memory-model.md, "Projector"); none for `of_catalogue`, whose shapes are not known.
ProjectorBytes projector_bytes(const Projector& projector, const ModelSpec& model, Backend backend, bool flash_attn);

/// Bytes of the weights alone.
Bytes projector_weights(const Projector& projector, Backend backend);

}  // namespace canirun
