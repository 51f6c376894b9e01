#include "arch/decoder.hpp"
#include "arch/families.hpp"

namespace canirun {

/// models/hunyuan-dense.cpp
void build_hunyuan_dense(Builder& b) { decoder(b, {.head_norm = HeadNorm::after_rope}); }

/// models/hunyuan-vl.cpp: the same with multi-modal rotation.
void build_hunyuan_vl(Builder& b) { decoder(b, {.positions = 4, .head_norm = HeadNorm::after_rope}); }

/// models/hunyuan-moe.cpp: every layer has a shared expert beside the routed ones.
void build_hunyuan_moe(Builder& b)
{
  constexpr FeedForward experts = [](Builder& builder, Ref cur, std::uint32_t il) {
    return expert_ffn(builder, cur, il, {.norm_weights = true});
  };
  decoder(b, {.head_norm = HeadNorm::after_rope, .feed_forward = experts});
}

}  // namespace canirun
