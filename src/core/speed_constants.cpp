#include "speed_law.hpp"

namespace canirun {

// Fitted by bench/speed_fit; docs/speed-model.md has the errors and the command.
const SpeedConstants& speed_constants()
{
  static const SpeedConstants k_constants = [] {
    SpeedConstants c;
    c.bandwidth_share = 1.02;
    //                   nvidia unified amd rdna4 unified apple ultra intel other
    c.bandwidth_class = {0.915, 0.785, 0.96, 1.33, 0.887, 1.06, 0.693, 1.13, 0.9};
    //         legacy k table float
    c.unpack = {3.14, 5.56, 17.2, 3.66};
    //                pascal turing ampere ada blackwell amd apple12 apple intel other
    c.unpack_class = {0.279, 1.85, 1.04, 0.945, 1.51, 0.912, 0.407, 1.24, 0.509, 0.5};
    c.layer = 4.13e-05;
    c.moe_layer = 3.8e-05;
    c.recurrent_layer = 1.35e-05;
    c.token = 0.000131;
    //                cuda rocm vulkan metal
    c.launch_class = {1, 2.7, 1.4, 1.84};
    c.cache_share = 0.519;
    c.cache_share_no_fa = 0.15;
    c.matrix_share = {0.52, 0.462, 0.515, 0.51};
    c.fill = 7.97e+11;
    c.moe_matrix_share = 0.267;
    c.prompt_layer = 0.0001;
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
