#include "samples.hpp"

namespace canirun {

// What is believed before any measurement. A class that no run in the data belongs to keeps these values.
SpeedConstants speed_priors()
{
  SpeedConstants c;
  c.bandwidth_share = 0.85;  // DRAM refresh and page misses leave 85–92 % of the pin rate to a streaming read
  // RDNA 1–3 reach less: RX 7900 XTX 8B Q4_K_M 105.8 t/s (0.51 of 960 GB/s; llama.cpp pull request 26284), RX 6700 XT 7B Q4_0 59
  // (0.63; pull request 5835), RX 5700 XT 65 (0.54; pull request 13324), where an RTX 3090 reaches 0.72 (pull request 21024).
  // Unified NVIDIA parts share LPDDR5X with the CPU. Ultra: two dies, each half far from the other. Intel: weak prefetch.
  //                   nvidia unified amd rdna4 unified apple ultra intel other
  c.bandwidth_class = {1, 0.9, 0.82, 1, 1, 1, 0.7, 0.8, 0.9};
  //          legacy k table float: operations to turn a block into products, counted in ggml's vec_dot kernels
  c.unpack = {5, 9, 14, 2};
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
  c.matrix_share = {0.5, 0.45, 0.45, 0.6};
  c.fill = 8e11;  // 512 tokens keep about 400 TFLOP/s busy
  c.moe_matrix_share = 0.5;
  c.prompt_layer = 100e-6;
  return c;
}

}  // namespace canirun
