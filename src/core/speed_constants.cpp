#include "speed_law.hpp"

namespace canirun {

// Fitted by bench/speed_fit; docs/speed-model.md has the errors and the command.
const SpeedConstants& speed_constants()
{
  static const SpeedConstants k_constants = [] {
    SpeedConstants c;
    c.bandwidth_share = 1.02;
    //                   nvidia unified amd rdna4 unified apple ultra intel other
    c.bandwidth_class = {0.914, 0.771, 0.955, 1.32, 0.891, 1.06, 0.693, 1.12, 0.9};
    //         legacy k table float
    c.unpack = {3.38, 5.41, 17.1, 3.78};
    //                pascal turing ampere ada blackwell amd apple12 apple intel other
    c.unpack_class = {0.275, 1.85, 1.02, 0.954, 1.55, 0.897, 0.4, 1.25, 0.503, 0.5};
    c.layer = 4.33e-05;
    c.moe_layer = 4.11e-05;
    c.recurrent_layer = 2e-05;
    c.token = 0.000109;
    //                cuda rocm vulkan metal
    c.launch_class = {1, 2.53, 1.35, 1.82};
    c.cache_share = 0.523;
    c.cache_share_no_fa = 0.148;
    c.matrix_share = {0.357, 0.373, 0.357, 0.494};
    c.moe_matrix_share = 0.336;
    c.prompt_layer = 9.49e-05;
    // The CPU: measured on a 2-core Sapphire Rapids VM (llama.cpp v0.5.0) and by llama-bench on a Ryzen 7840HS. Q4_0, Q8_0 and F16
    // run at the memory's speed, K-quants are bound by their dot products: 20 to 50 ps a weight and core.
    c.cpu_unpack_ps_legacy = 5;
    c.cpu_unpack_ps_k = 25;
    c.cpu_unpack_ps_table = 50;
    c.cpu_unpack_ps_float = 5;
    c.cpu_layer = 15e-6;
    c.cpu_attention_flops = 6e9;
    c.cpu_prompt_flops = 40e9;
    c.transfer = 50e-6;
    c.transfer_bandwidth = 12e9;
    return c;
  }();
  return k_constants;
}

}  // namespace canirun
