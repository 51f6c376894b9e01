#include "arch/decoder.hpp"
#include "arch/families.hpp"

namespace canirun {

/// models/chatglm.cpp: GLM-4 of 2024 and ChatGLM3, with attn_qkv in one matrix.
void build_chatglm(Builder& b) { decoder(b, {.fused_qkv = true, .feed_forward = fused_ffn}); }

/// models/glm4.cpp
void build_glm4(Builder& b)
{
  decoder(b, {.attn_post_norm = "post_attention_norm", .ffn_post_norm = "post_ffw_norm", .feed_forward = fused_ffn});
}

/// models/glm4-moe.cpp: GLM-4.5 to 4.7, Solar Open. The larger ones normalise Q and K.
void build_glm4moe(Builder& b)
{
  const auto head_norm = b.model().attn.qk_norm == QkNorm::none ? HeadNorm::none : HeadNorm::before_rope;
  decoder(b, {.head_norm = head_norm, .ffn_norm = "post_attention_norm", .feed_forward = experts_or_dense});
}

}  // namespace canirun
