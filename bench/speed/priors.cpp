#include "samples.hpp"

namespace canirun {

// What is believed before any measurement. A class that no run in the data belongs to keeps these values.
SpeedConstants speed_priors()
{
  SpeedConstants c;
  c.bandwidth_share = 0.85;  // DRAM refresh and page misses leave 85–92 % of the pin rate to a streaming read
  // RDNA 1–3 reach less: RX 7900 XTX 8B Q4_K_M 105.8 t/s (0.51 of 960 GB/s; llama.cpp pull request 26284), RX 6700 XT 7B Q4_0 59
  // (0.63; pull request 5835), RX 5700 XT 65 (0.54; pull request 13324), where an RTX 3090 reaches 0.72 (pull request 21024).
  // Ultra: two dies, each half far from the other. Intel: weak prefetch.
  //                   nvidia unified amd rdna4 unified apple ultra intel other
  c.bandwidth_class = {1, 1, 0.82, 1, 1, 1, 0.7, 0.8, 0.9};
  // A controller that serves CPU and GPU from LPDDR5X or DDR5: copies on a Ryzen AI Max reach 215 of 256 GB/s (issue 21948).
  c.shared_memory = 0.9;
  //          legacy k table float brain: operations to turn a block into products, counted in ggml's vec_dot kernels
  c.unpack = {5, 9, 14, 2, 2};
  // Share of the fp32 rate that integer unpacking gets (CUDA C programming guide, arithmetic throughput): Pascal shares its pipes
  // between integers and floats and shifts at half rate; Turing has an integer pipe as wide as the float one; Ampere and Ada one of
  // half the (doubled) float width; Blackwell unifies them at full width. Apple's first generations issue integers at a quarter.
  //                pascal turing ampere ada blackwell amd apple12 apple intel other
  c.unpack_class = {0.33, 1.6, 1.0, 1.0, 1.3, 1.0, 0.5, 1.2, 0.4, 0.5};
  c.layer = 30e-6;
  c.moe_layer = 40e-6;
  c.recurrent_layer = 20e-6;
  c.token = 100e-6;
  //                cuda rocm vulkan metal
  c.launch_class = {1.0, 2.0, 1.5, 1.5};  // an empty HIP kernel takes about twice as long to start as a CUDA one
  c.cache_share = 0.65;
  c.cache_share_no_fa = 0.2;
  // One column of a tile of at least 16 is wanted, and each step of a matrix kernel waits for its tile.
  c.vulkan_brain_experts = 0.4;
  // Vector kernels of one query against a cache use no matrix units and re-read keys for the heads of a group.
  c.attention_share = 0.2;
  // What builds reach of the rate with a chip that a micro-batch fills. Tensor cores: RTX 3090 0.53 of its 16-bit rate with int8
  // products (8B Q4_0 4753 t/s; llama.cpp pull request 21024). P40: 1.0 of fp32 by dp4a (7B Q4_0 935 t/s; 4766). AMD: RX 7900 XTX
  // 0.42 (8B Q4_K_M 3227; 26284); before matrix units MI50 0.65 (8B Q4_0 1083; 27841), RX 6800 0.32 (2024; 8416), RX 5700 XT 0.32
  // (13324); integrated parts share their power with the CPU. Apple: M2 Ultra 0.69 with F16 (7B 1265; 3084). Intel: A770 0.3, B580
  // 0.6 on Windows, a third of that on Linux (14001).
  //                tensor_core nvidia_plain amd_matrix amd_plain amd_unified apple intel other
  c.matrix_share = {0.55, 1.0, 0.42, 0.4, 0.27, 0.68, 0.4, 0.3};
  //                 legacy k table float brain; M2 Ultra: Q4_0 0.92 of F16, Q4_K 0.81, Q6_K 0.77 (3084); MI50: IQ4_XS 0.83 of Q4_0 (27841)
  c.matrix_family = {1, 0.85, 0.83, 1, 1};
  c.vulkan_brain = 0.5;  // 32-bit products on vector units: half of packed 16-bit ones
  c.fill = 1e12;         // 512 tokens keep about 500 TFLOP/s half busy: tiles of 128 × 128 over the SMs of the largest chips
  //                 cuda rocm vulkan metal: half a tile of 128 columns, of 32 on Metal (ggml's mmq.cuh, ggml-metal.metal)
  c.expert_tokens = {64, 64, 64, 16};
  // FlashAttention-2 reaches 50 to 73 % of an A100's rate where its matrix products reach 80 to 90 % (Dao 2023, abstract and
  // section 1); softmax is between the products.
  c.prompt_attention = {0.62, 0.62, 0.62, 0.62};
  c.prompt_scan = 2e-6;    // one step of a kernel that loops over the tokens: a few dependent reads and products
  c.prompt_layer = 50e-6;  // some fifteen launches that overlap in part
  return c;
}

}  // namespace canirun
