#include "speed_law.hpp"

namespace canirun {

// Fitted by bench/speed_fit; docs/speed-model.md has the errors and the command.
const SpeedConstants& speed_constants()
{
  static const SpeedConstants k_constants = [] {
    SpeedConstants c;
    c.bandwidth_share = 0.873;
    //                   nvidia unified amd   unified apple ultra intel other
    c.bandwidth_class = {1.15, 0.92, 1.15, 1.11, 1.2, 0.81, 0.8, 1.0};
    //          legacy  k    iq   float
    c.unpack = {7.3, 8.6, 8.0, 12.0};
    //                pascal turing ampere ada  blackwell amd  apple12 apple intel other
    c.unpack_class = {0.42, 1.79, 1.11, 0.78, 1.32, 1.08, 0.65, 1.35, 0.7, 1.0};
    c.layer = 38e-6;
    c.moe_layer = 46e-6;
    c.recurrent_layer = 28e-6;
    c.token = 74e-6;
    //                cuda rocm vulkan metal
    c.launch_class = {1.0, 1.87, 1.5, 1.77};
    c.cache_share = 0.6;
    c.cache_share_no_fa = 0.15;
    c.matrix_share = {0.4, 0.4, 0.4, 0.65};
    c.moe_matrix_share = 0.5;
    c.prompt_layer = 100e-6;
    c.cpu_unpack_ps_legacy = 5;
    c.cpu_unpack_ps_k = 45;
    c.cpu_unpack_ps_iq = 80;
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
