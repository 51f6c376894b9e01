#include "arch/decoder.hpp"
#include "arch/families.hpp"

namespace canirun {

/// models/dots1.cpp
void build_dots1(Builder& b) { decoder(b, {.head_norm = HeadNorm::before_rope, .feed_forward = experts_or_dense}); }

}  // namespace canirun
