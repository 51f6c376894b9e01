#include "arch/decoder.hpp"
#include "arch/families.hpp"
#include "arch/mla.hpp"

namespace canirun {
namespace {

/// models/deepseek2.cpp. `feed_forward` is what Mistral 4 does otherwise.
void build_latent_decoder(Builder& b, FeedForward feed_forward)
{
  const auto& m = b.model();
  auto stream = b.inp_embd();
  const auto pos = b.inp_pos();
  const auto inp = m.is_mla() ? b.attn_inp_k() : b.attn_inp_kv();  // files of early 2025 cache full heads
  const auto out_ids = b.inp_out_ids();
  for (const auto il : b.layers()) {
    auto residual = stream;
    auto cur = b.norm(stream, "attn_norm", il);
    const auto x = with_query_heads(b, latent_projections(b, cur, pos, il), il);
    const auto a = m.is_mla() ? absorbed_attention(b, x, pos, il) : decompressed_attention(b, x, pos, il);
    cur = b.attention(inp, a, il);
    keep_outputs(b, il, out_ids, cur, residual);
    const auto ffn_inp = b.add(cur, residual);
    cur = feed_forward(b, b.norm(ffn_inp, "ffn_norm", il), il);
    stream = b.add(cur, ffn_inp);
  }
  b.finish_lm(stream);
}

}  // namespace

/// DeepSeek-V2 to V3.1, Kimi K2, GLM-4.7 Flash, Moonlight, Mistral Large 3.
void build_deepseek2(Builder& b) { build_latent_decoder(b, experts_or_dense); }

/// models/mistral4.cpp: the last product of the experts asks for F32 precision, which GPU backends refuse (llama-graph.cpp,
/// build_moe_ffn), so that it runs on the host.
void build_mistral4(Builder& b)
{
  constexpr FeedForward experts = [](Builder& builder, Ref cur, std::uint32_t il) {
    if (!builder.model().is_moe(il)) return dense_ffn(builder, cur, il);
    return expert_ffn(builder, cur, il, {.norm_weights = true, .down_prec_f32 = true});
  };
  build_latent_decoder(b, experts);
}

}  // namespace canirun
