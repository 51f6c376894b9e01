#include "speed_law.hpp"

namespace canirun {

// Fitted by bench/speed_fit; docs/speed-model.md has the errors and the command.
const SpeedConstants& speed_constants()
{
  static const SpeedConstants k_constants = [] {
    SpeedConstants c;
    c.bandwidth_share = 1;
    //                   nvidia unified amd rdna4 unified apple ultra intel other
    c.bandwidth_class = {1, 0.965, 0.887, 1, 1.03, 1, 0.684, 0.832, 0.9};
    c.shared_memory = 0.83;
    //         legacy k table float brain
    c.unpack = {3.91, 6.5, 9.97, 2.19, 2.03};
    //                pascal turing ampere ada blackwell amd apple12 apple intel other
    c.unpack_class = {0.316, 1.73, 1.12, 0.936, 1.33, 0.926, 0.492, 1.43, 0.412, 0.5};
    c.layer = 3.7e-05;
    c.moe_layer = 4.43e-05;
    c.recurrent_layer = 2.33e-05;
    c.token = 9.52e-05;
    //                cuda rocm vulkan metal
    c.launch_class = {1, 2.35, 1.17, 1.68};
    c.cache_share = 0.915;
    c.cache_share_no_fa = 0.164;
    c.vulkan_brain_experts = 0.403;
    c.attention_share = 0.276;
    //                tensor_core nvidia_plain amd_matrix amd_plain amd_unified apple intel other
    c.matrix_share = {0.523, 1.01, 0.457, 0.376, 0.258, 0.621, 0.447, 0.3};
    //                legacy k table float brain
    c.matrix_family = {1, 0.864, 0.907, 0.989, 0.962};
    c.vulkan_brain = 0.457;
    c.fill = 1.09e+12;
    c.expert_tokens = {64.6, 59.7, 65, 16};
    c.prompt_attention = {0.551, 0.673, 0.66, 0.601};
    c.prompt_scan = 2.45e-06;
    c.prompt_layer = 5.04e-05;
    // The CPU: measured on a 2-core Sapphire Rapids VM (llama.cpp v0.5.0) and by llama-bench on a Ryzen 7840HS. Q4_0, Q8_0 and F16
    // run at the memory's speed, K-quants are bound by their dot products: 20 to 50 ps a weight and core.
    c.cpu_unpack_ps_legacy = 5;
    c.cpu_unpack_ps_k = 25;
    c.cpu_unpack_ps_table = 50;
    c.cpu_unpack_ps_float = 5;
    c.cpu_layer = 15e-6;
    c.cpu_attention_flops = 6e9;
    c.cpu_prompt_flops = 75e9;
    // Products in 8 bit (maddubs, VNNI, dot products) take two to four multiply-adds for each in 32 bit: qwen2.5-0.5b on the VM,
    // Q8_0 292 t/s a core, F16 76. K-quants scale sub-blocks as well, and not all of them are repacked by rows: llama-3.2-1b on the
    // 7840HS, Q2_K takes 1.5 times as long as Q4_K_M.
    c.cpu_matrix_family = {1, 0.8, 0.8, 0.45, 0.45};
    c.cpu_expert_tokens = 4;  // repacked blocks of four rows
    // Prompts of 1024 to 32768 tokens on two to six cards: 0.5 to 1 (docs/speed-model.md, "Several GPUs, prompt").
    c.pipeline = 0.7;
    c.transfer = 50e-6;
    c.transfer_bandwidth = 12e9;
    return c;
  }();
  return k_constants;
}

}  // namespace canirun
