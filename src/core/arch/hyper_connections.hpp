#pragma once

#include "arch/builder.hpp"

/// \file
/// Hyper-connections (DeepSeek V4): `hc_mult` residual streams, mixed by weights that each token chooses, before and after each part of
/// a layer. Streams are [n_embd, hc_mult, n_tokens].

namespace canirun {

class HyperConnections {
 public:
  explicit HyperConnections(Builder& b) : b_(b), n_embd_(b.model().n_embd), n_tokens_(b.n_tokens()), hc_(b.model().dsv4->hc_mult)
  {
  }

  /// What a part of a layer ("attn", "ffn") sees, and how its result goes back.
  struct Mixed {
    Ref cur, post, comb;
  };

  Ref begin(Ref embd) { return b_.repeat(b_.reshape(embd, n_embd_, 1, n_tokens_), n_embd_, hc_, n_tokens_); }
  Mixed mix(Ref streams, const char* part, std::uint32_t il);
  Ref join(Ref cur, Ref streams, const Mixed& mixed, std::uint32_t il);
  /// Of the rows `out_ids`: one stream for the output.
  Ref finish(Ref streams, Ref out_ids);

 private:
  Ref affine(Ref x, Ref scale, Ref base) { return b_.add(b_.mul(x, scale), base); }
  Ref weighted_sum(Ref streams, Ref weights);
  Ref doubly_stochastic(Ref comb);

  Builder& b_;
  std::uint64_t n_embd_, n_tokens_, hc_;
};

}  // namespace canirun
