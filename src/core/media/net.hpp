#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "canirun/core/checkpoint.hpp"
#include "canirun/core/placement.hpp"
#include "graph/ops.hpp"
#include "media/eager.hpp"

/// \file
/// A network that makes images or sound, as shapes: its layers declare their weights, record the operations that
/// stable-diffusion.cpp and whisper.cpp build for them, and count the arithmetic. Operations are ggml's; which ones a layer is made of
/// follows stable-diffusion.cpp's src/core/ggml_extend.hpp and src/model/common/block.hpp.

namespace canirun {

/// How a program that quantises while it loads treats a tensor (docs/media-models.md, "Types of weights").
enum class WeightKind : std::uint8_t {
  matrix,    ///< Gets the requested type where its rows are whole blocks.
  scales,    ///< The same, of a layer that makes scales and shifts of the time step inside a normalisation.
  kept,      ///< Keeps the file's type: embedders and final layers.
  wide,      ///< Always F32: embedders that lose too much at 16 bits.
  kernel,    ///< Of a convolution: always F16.
  vector,    ///< Biases, norms, modulation tables: F32.
  table,     ///< Rows are looked up: F32 where the type has no kernel for that.
  position,  ///< A table of positions: F32, and not among the parameters that are published.
};

/// `count` equal tensors.
struct NetWeight {
  WeightKind kind = WeightKind::matrix;
  std::uint64_t row = 0;  ///< ne[0]
  std::uint64_t n_rows = 1;
  std::uint64_t count = 1;

  std::uint64_t n_elements() const { return row * n_rows * count; }
};

struct NetOptions {
  bool flash_attn = false;
  bool direct_conv = false;  ///< Convolutions without im2col.
  bool eager = false;        ///< As PyTorch's modules: one result a layer, no copies for a kernel's sake (eager.hpp).
  Backend backend = Backend::cuda;
};

/// What one run of a network is for a device.
struct NetWork {
  double flops = 0;     ///< Of products and attention.
  double bytes = 0;     ///< Read and written by all operations.
  double launches = 0;  ///< Operations that compute.

  NetWork scaled(double n) const { return {n * flops, n * bytes, n * launches}; }
};

class Net : public GraphOps {
 public:
  Net(Graph& graph, NetOptions options) : GraphOps(&graph), options_(options) {}

  const std::vector<NetWeight>& weights() const { return weights_; }
  /// After the graph is complete.
  NetWork work() const;
  std::uint64_t n_params() const;

  /// The same block `n` times: all weights and all arithmetic, but the operations of two only, after which a peak repeats.
  template <typename Block>
  void repeat_block(std::uint64_t n, Block block)
  {
    const auto outer = times_;
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(n, 2); ++i) {
      set_times(outer * (i == 0 ? n - std::min<std::uint64_t>(n - 1, 1) : 1));
      block();
    }
    set_times(outer);
  }

  // --- Layers. Images are [width, height, channels, 1], sequences [width, tokens, 1]. ---------------------------------------------
  Ref linear(Ref x, std::uint64_t n_out, bool bias = true, WeightKind kind = WeightKind::matrix);
  Ref conv(Ref x, std::uint64_t n_out, std::uint64_t kernel = 3, std::uint64_t stride = 1);
  /// Over the first axis of [length, channels] (ggml_conv_1d_ph).
  Ref conv_1d(Ref x, std::uint64_t n_out, std::uint64_t kernel, std::uint64_t stride);
  Ref group_norm(Ref x);
  Ref layer_norm(Ref x, bool affine);
  /// RMS norm over heads or tokens with one vector of the row's width.
  Ref rms_norm(Ref x);
  Ref embedding(Ref ids, std::uint64_t n_rows, std::uint64_t n_embd);
  /// A caller's variable keeps `x` until now.
  void hold(Ref x) { held_.push_back({x.id, graph_->tensors.size()}); }
  std::span<const Held> held() const { return held_; }
  /// A table or vector that operations use without a layer around it.
  void declare(WeightKind kind, std::uint64_t row, std::uint64_t n_rows = 1);

  // --- Operations in place (ggml_*_inplace: a view of `a`) ---------------------------------------------------------------------------
  Ref in_place(Op op, Ref a, Ref b = {});
  Ref silu_(Ref a) { return in_place(Op::unary, a); }
  Ref gelu_(Ref a);
  /// Part `i` of `n` equal parts of the rows.
  Ref chunk(Ref x, std::uint64_t n, std::uint64_t i);

  /// Attention of q [width, L_q] over k, v [width, L_k] (ggml_ext_attention_ext with skip_reshape off).
  Ref attention(Ref q, Ref k, Ref v, std::uint64_t n_head);
  /// The same with q, k and v as [head, n_head, L] and rotary positions `pe` [2, 2, head/2, L] (Rope::attention).
  Ref rope_attention(Ref q, Ref k, Ref v, Ref pe);
  /// x [head, n_head, L] → [head, L, n_head], turned by its position.
  Ref apply_rope(Ref x, Ref pe);
  Ref positions(std::uint64_t head, std::uint64_t n_tokens) { return input(TensorType::f32, 2, 2, head / 2, n_tokens); }

 private:
  /// From the next tensor on, each operation stands for `times`.
  void set_times(std::uint64_t times);
  Ref product(Ref a, Ref b);
  Ref attend(Ref q, Ref k, Ref v, std::uint64_t n_head);
  /// The second half of a layer, which PyTorch does in one operation with the first.
  Ref finish(Op op, Ref y, Ref w) { return options_.eager ? y : in_place(op, y, w); }
  Ref packed(Ref x) { return options_.eager ? x : cont(x); }
  Ref weight(WeightKind kind, const Shape& ne);

  NetOptions options_;
  std::vector<NetWeight> weights_;
  std::uint64_t times_ = 1;
  std::vector<std::pair<std::size_t, std::uint64_t>> spans_;  ///< First tensor, times.
  std::vector<Held> held_;
  double flops_ = 0;
};

/// Bytes of weights when the program is asked for `type` and the published file has `published` (F16 or BF16).
/// Sources: stable-diffusion.cpp src/model_loader.cpp: tensor_should_be_converted; ggml_extend.hpp: Linear, Conv2d, Embedding.
std::uint64_t stored_bytes(std::span<const NetWeight> weights, TensorType type, TensorType published = TensorType::f16);

/// The same when PyTorch holds them: FP8 is what enable_layerwise_casting leaves, with everything else in 16 bits.
/// Source: diffusers hooks/layerwise_casting.py: patterns and kinds of layers that are skipped.
std::uint64_t stored_bytes(std::span<const NetWeight> weights, CheckpointType type);

/// Bytes of the compute buffer that a graph needs on one device.
std::uint64_t buffer_bytes(const Graph& graph, Backend backend);

/// An empty graph for one network at a time: each thread keeps its memory.
Graph& scratch_graph();

}  // namespace canirun
