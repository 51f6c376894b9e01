#include "arch/decoder.hpp"
#include "arch/families.hpp"

namespace canirun {

/// models/ernie4-5.cpp
void build_ernie4_5(Builder& b) { decoder(b, {}); }

/// models/ernie4-5-moe.cpp
void build_ernie4_5_moe(Builder& b)
{
  constexpr FeedForward experts = [](Builder& builder, Ref cur, std::uint32_t il) {
    return builder.model().is_moe(il) ? expert_ffn(builder, cur, il, {.norm_weights = true}) : dense_ffn(builder, cur, il);
  };
  decoder(b, {.feed_forward = experts});
}

}  // namespace canirun
