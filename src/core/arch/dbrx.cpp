#include "arch/decoder.hpp"
#include "arch/families.hpp"

namespace canirun {

/// models/dbrx.cpp
void build_dbrx(Builder& b)
{
  constexpr FeedForward experts = [](Builder& builder, Ref cur, std::uint32_t il) {
    return expert_ffn(builder, cur, il, {.norm_weights = true});
  };
  decoder(b,
          {.norm = Norm::layer, .fused_qkv = true, .clamp_qkv = true, .ffn_norm = "attn_output_norm", .feed_forward = experts});
}

}  // namespace canirun
