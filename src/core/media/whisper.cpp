#include "media/whisper.hpp"

namespace canirun {

namespace {

constexpr std::uint64_t k_context_padding = 256;  // whisper.cpp: GGML_PAD(n_ctx, 256)
constexpr std::uint64_t k_text_context = 448;

}  // namespace

Whisper::Whisper(const ModelSpec& model, bool flash_attn, Backend backend) : model_(model), shape_(*model.media->whisper)
{
  const auto run = [&](std::size_t i, void (Whisper::*build)(Net&) const, std::vector<NetWeight>& weights, bool of_window) {
    auto& graph = scratch_graph();
    Net net(graph, {.flash_attn = flash_attn, .backend = backend});
    (this->*build)(net);
    buffers_[i] = buffer_bytes(graph, backend);
    weights.insert(weights.end(), net.weights().begin(), net.weights().end());
    if (of_window) window_flops_ += net.work().flops;
  };
  run(0, &Whisper::convolutions, weights_, true);
  run(1, &Whisper::encoder, weights_, true);
  run(2, &Whisper::cross, weights_, true);
  run(3, &Whisper::decoder, decoder_weights_, false);
  weights_.insert(weights_.end(), decoder_weights_.begin(), decoder_weights_.end());
}

std::uint64_t Whisper::n_params() const
{
  std::uint64_t sum = 0;
  for (const auto& w : weights_) sum += w.n_elements();
  return sum;
}

std::uint64_t Whisper::n_decoder_weights() const
{
  std::uint64_t sum = 0;
  for (const auto& w : decoder_weights_) sum += w.n_elements();
  return sum;
}

std::uint64_t Whisper::self_cache(std::uint32_t n_decoders) const
{
  // whisper_full_with_state: room for n + 2 beams, so that they can be reordered; whisper_kv_cache_init: K and V in F16.
  const std::uint64_t factor = n_decoders > 1 ? n_decoders + 2 : 1;
  return 4 * std::uint64_t{model_.n_embd} * shape_.n_layer_dec * pad_to(k_text_context * factor, k_context_padding);
}

std::uint64_t Whisper::cross_cache() const
{
  return 4 * std::uint64_t{model_.n_embd} * shape_.n_layer_dec * pad_to(shape_.n_audio_ctx, k_context_padding);
}

std::uint64_t Whisper::pad_cache() const
{
  return 4 * std::uint64_t{model_.n_embd} * pad_to(shape_.n_audio_ctx, k_context_padding);
}

/// Two convolutions over time, the second one halves it (whisper_build_graph_conv).
void Whisper::convolutions(Net& n) const
{
  const std::uint64_t width = model_.n_embd, frames = 2 * std::uint64_t{shape_.n_audio_ctx};
  auto x = n.input(TensorType::f32, frames, shape_.n_mels);
  x = n.conv_1d(x, width, 3, 1);
  x = n.conv_1d(n.gelu(x), width, 3, 2);
  n.expand(n.gelu(x));
}

void Whisper::encoder(Net& n) const
{
  const std::uint64_t width = model_.n_embd;
  n.declare(WeightKind::vector, width, shape_.n_audio_ctx);  // positions
  const auto sound = n.input(TensorType::f32, shape_.n_audio_ctx, width);
  auto x = n.add(n.input(TensorType::f32, width, shape_.n_audio_ctx), n.cont(n.transpose(sound)));
  n.repeat_block(shape_.n_layer_enc, [&] {
    const auto y = n.layer_norm(x, true);
    const auto q = n.linear(y, width), k = n.linear(y, width, false), v = n.linear(y, width);
    x = n.add(n.linear(n.attention(q, k, v, model_.n_head(0)), width), x);
    const auto ff = n.gelu(n.linear(n.layer_norm(x, true), model_.n_ff(0)));
    x = n.add(n.linear(ff, width), x);
  });
  n.expand(n.layer_norm(x, true));
}

/// Keys and values of the sound for every decoder block, copied into their cache.
void Whisper::cross(Net& n) const
{
  const std::uint64_t width = model_.n_embd;
  const auto sound = n.leaf(Leaf::kv_cache, TensorType::f32, {width, shape_.n_audio_ctx, 1, 1}, 0);  // of the encoder's buffer
  n.repeat_block(shape_.n_layer_dec, [&] {
    for (const bool bias : {false, true}) {
      const auto cache = n.leaf(Leaf::kv_cache, TensorType::f16, {width, shape_.n_audio_ctx, 1, 1}, 0);
      n.expand(n.cpy(n.linear(sound, width, bias), cache));
    }
  });
}

/// A batch of as many tokens as the text context holds: what is reserved at the start.
void Whisper::decoder(Net& n) const
{
  const std::uint64_t width = model_.n_embd, n_head = model_.n_head(0);
  n.declare(WeightKind::vector, width, k_text_context);  // positions
  const auto ids = n.input(TensorType::i32, k_text_context);
  auto x = n.add(n.embedding(ids, model_.n_vocab, width), n.input(TensorType::f32, width, k_text_context));
  n.repeat_block(shape_.n_layer_dec, [&] {
    auto y = n.layer_norm(x, true);
    const auto q = n.linear(y, width), k = n.linear(y, width, false), v = n.linear(y, width);
    x = n.add(n.linear(n.attention(q, k, v, n_head), width), x);
    y = n.layer_norm(x, true);
    const auto sound = [&] { return n.leaf(Leaf::kv_cache, TensorType::f16, {width, shape_.n_audio_ctx, 1, 1}, 0); };
    x = n.add(n.linear(n.attention(n.linear(y, width), sound(), sound(), n_head), width), x);
    x = n.add(n.linear(n.gelu(n.linear(n.layer_norm(x, true), model_.n_ff(0))), width), x);
  });
  x = n.layer_norm(x, true);
  // The logits come from the token embedding, which is declared already.
  const auto table = n.leaf(Leaf::weight, TensorType::f16, {width, model_.n_vocab, 1, 1}, 0);
  n.expand(n.mul_mat(table, x));
}

}  // namespace canirun
