#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "canirun/core/units.hpp"

/// \file
/// The programs that make pictures, as far as the search for settings sees them: which settings each has and what they are called.

namespace canirun {

/// How a run is set up.
struct Setup {
  bool flash_attn = false;     ///< No attention scores in the denoiser's buffer. PyTorch's attention never has any.
  bool tiled = false;          ///< The decoder works on tiles.
  bool encode_on_cpu = false;  ///< Text encoders and their weights in RAM.
  bool decode_on_cpu = false;
  bool offload = false;  ///< Weights in RAM, a stage's own on the GPU while it runs.
  bool stream = false;   ///< With `offload`: only what computes right now, in every step again.
  bool gpu = true;
};

/// Whose memory is counted.
enum class Account {
  ggml,         ///< A compute buffer that is planned ahead, as stable-diffusion.cpp has it.
  eager,        ///< Results one by one, as PyTorch makes them.
  eager_plain,  ///< The same on a GPU without tensor cores.
};

struct ImageProgram {
  std::string_view name;
  Account account = Account::ggml;
  std::span<const Setup> setups;                         ///< In the order of what they cost.
  std::vector<std::string> (*settings)(const Setup&){};  ///< As the program names them.
  Bytes process;                                         ///< The process itself, beside tensors.
  double upload = 0;                                     ///< Bytes a second from RAM to the GPU; 0 = as the speed law has it.
};

const ImageProgram& stable_diffusion_cpp();
const ImageProgram& diffusers();

}  // namespace canirun
