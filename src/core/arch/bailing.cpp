#include "arch/decoder.hpp"
#include "arch/families.hpp"

namespace canirun {

/// models/bailingmoe.cpp: Ling 1
void build_bailingmoe(Builder& b) { decoder(b, {.feed_forward = experts_or_dense}); }

/// models/bailingmoe2.cpp: Ling 2
void build_bailingmoe2(Builder& b)
{
  decoder(b, {.fused_qkv = true, .head_norm = HeadNorm::before_rope, .feed_forward = experts_or_dense});
}

}  // namespace canirun
