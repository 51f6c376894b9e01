#include "speed_law.hpp"

namespace canirun {

// Fitted by bench/speed_fit; docs/speed-model.md has the errors and the command.
const SpeedConstants& speed_constants()
{
  static const SpeedConstants k_constants = [] {
    SpeedConstants c;
    c.bandwidth_share = 1;
    //                   nvidia unified amd rdna4 unified apple ultra intel other
    c.bandwidth_class = {1, 0.791, 0.906, 1, 0.865, 1, 0.691, 0.832, 0.9};
    //         legacy k table float
    c.unpack = {3.75, 6.46, 7.98, 2.46};
    //                pascal turing ampere ada blackwell amd apple12 apple intel other
    c.unpack_class = {0.313, 1.79, 1.13, 0.894, 1.38, 0.832, 0.498, 1.59, 0.415, 0.5};
    c.layer = 3.76e-05;
    c.moe_layer = 4.48e-05;
    c.recurrent_layer = 2.43e-05;
    c.token = 9.37e-05;
    //                cuda rocm vulkan metal
    c.launch_class = {1, 2.39, 1.14, 1.78};
    c.cache_share = 0.954;
    c.cache_share_no_fa = 0.188;
    c.attention_share = 0.285;
    //                tensor_core nvidia_plain amd_matrix amd_plain amd_unified apple intel other
    c.matrix_share = {0.543, 1.03, 0.484, 0.398, 0.265, 0.657, 0.577, 0.3};
    //                legacy k table float
    c.matrix_family = {1, 0.879, 1.05, 0.898};
    c.fill = 1.26e+12;
    c.expert_tokens = {63.3, 49.2, 62.2, 14.8};
    c.prompt_attention = 0.625;
    c.prompt_scan = 2.91e-06;
    c.prompt_layer = 4.59e-05;
    // The CPU: measured on a 2-core Sapphire Rapids VM (llama.cpp v0.5.0) and by llama-bench on a Ryzen 7840HS. Q4_0, Q8_0 and F16
    // run at the memory's speed, K-quants are bound by their dot products: 20 to 50 ps a weight and core.
    c.cpu_unpack_ps_legacy = 5;
    c.cpu_unpack_ps_k = 25;
    c.cpu_unpack_ps_table = 50;
    c.cpu_unpack_ps_float = 5;
    c.cpu_layer = 15e-6;
    c.cpu_attention_flops = 6e9;
    c.cpu_prompt_flops = 75e9;
    c.cpu_expert_tokens = 4;  // repacked blocks of four rows
    c.transfer = 50e-6;
    c.transfer_bandwidth = 12e9;
    return c;
  }();
  return k_constants;
}

}  // namespace canirun
