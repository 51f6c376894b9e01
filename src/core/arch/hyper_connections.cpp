#include "arch/hyper_connections.hpp"

#include <string>

/// \file
/// Three of its operations are fused as long as every one runs on its layer's device (llama_context::resolve_fused_ops); what they are
/// otherwise is spelled out here. Source: models/deepseek4.cpp, build_hc_pre, build_hc_sinkhorn, build_hc_post, build_hc_head.

namespace canirun {

namespace {

constexpr int k_sinkhorn_iterations = 20;  // hyper_connection.sinkhorn_iterations of the published models

}  // namespace

Ref HyperConnections::weighted_sum(Ref streams, Ref weights)
{
  const auto stride = b_.at(streams).nb, weight_stride = b_.at(weights).nb;
  const auto n = b_.at(weights).ne[1];
  Ref sum;
  for (std::uint64_t i = 0; i < hc_; ++i) {
    const auto stream = b_.view_2d(streams, n_embd_, n, stride[2], i * stride[1]);
    const auto cur = b_.mul(stream, b_.view_2d(weights, 1, n, weight_stride[1], i * weight_stride[0]));
    sum = sum ? b_.add(sum, cur) : cur;
  }
  return sum;
}

/// Rows and columns that sum to one, by dividing in turn.
Ref HyperConnections::doubly_stochastic(Ref comb)
{
  comb = b_.soft_max(comb);
  const auto eps = b_.fill(b_.leaf(Leaf::input, TensorType::f32, {1, 1, 1, 1}, -1));
  comb = b_.add(comb, eps);
  const auto divide = [&](Ref sums) { comb = b_.div(comb, sums); };
  const auto columns = [&] {
    const auto turned = b_.cont(b_.permute(comb, 1, 0, 2, 3));
    divide(b_.permute(b_.add(b_.sum_rows(turned), eps), 1, 0, 2, 3));
  };
  columns();
  for (int i = 1; i < k_sinkhorn_iterations; ++i) {
    divide(b_.add(b_.sum_rows(comb), eps));
    columns();
  }
  return comb;
}

HyperConnections::Mixed HyperConnections::mix(Ref streams, const char* part, std::uint32_t il)
{
  const auto& fused = b_.request().fused;
  const auto hc_dim = hc_ * n_embd_, mix_dim = (2 + hc_) * hc_;
  const auto prefix = std::string("hc_") + part;
  const auto fn = b_.weight(prefix + "_fn", il, {hc_dim, mix_dim});
  const auto base = b_.weight(prefix + "_base", il, {mix_dim});
  const auto scale = b_.weight(prefix + "_scale", il, {3});

  const auto mixes = b_.mul_mat(fn, b_.rms_norm(b_.reshape(streams, hc_dim, n_tokens_)));
  const auto part_of = [&](std::uint64_t i, std::uint64_t width) {
    const auto x = b_.view_2d(mixes, width, n_tokens_, 4 * mix_dim, 4 * i * hc_);
    return affine(x, b_.view_1d(scale, 1, 4 * i), b_.view_1d(base, width, 4 * i * hc_));
  };
  const auto pre = b_.scale(b_.sigmoid(part_of(0, hc_)));
  Mixed out;
  out.post = b_.scale(b_.sigmoid(part_of(1, hc_)));
  if (fused.hc_comb) {
    out.comb = b_.custom(Op::dsv4_hc_comb, TensorType::f32, {hc_, hc_, n_tokens_, 1}, {mixes, scale, base});
    b_.tag(out.comb, NodeTag::fused, il);
  } else {
    out.comb = doubly_stochastic(b_.reshape(part_of(2, hc_ * hc_), hc_, hc_, n_tokens_));
  }
  if (fused.hc_pre) {
    out.cur = b_.custom(Op::dsv4_hc_pre, TensorType::f32, {n_embd_, n_tokens_, 1, 1}, {streams, pre});
    b_.tag(out.cur, NodeTag::fused, il);
  } else {
    out.cur = weighted_sum(streams, pre);
  }
  return out;
}

Ref HyperConnections::join(Ref cur, Ref streams, const Mixed& mixed, std::uint32_t il)
{
  if (b_.request().fused.hc_post) {
    const auto out =
        b_.custom(Op::dsv4_hc_post, TensorType::f32, {n_embd_, hc_, n_tokens_, 1}, {cur, streams, mixed.post, mixed.comb});
    b_.tag(out, NodeTag::fused, il);
    return out;
  }
  const auto stride = b_.at(streams).nb, post_stride = b_.at(mixed.post).nb, comb_stride = b_.at(mixed.comb).nb;
  Ref out;
  for (std::uint64_t to = 0; to < hc_; ++to) {
    auto sum = b_.mul(cur, b_.view_2d(mixed.post, 1, n_tokens_, post_stride[1], to * post_stride[0]));
    for (std::uint64_t from = 0; from < hc_; ++from) {
      const auto stream = b_.view_2d(streams, n_embd_, n_tokens_, stride[2], from * stride[1]);
      const auto offset = to * comb_stride[0] + from * comb_stride[1];
      sum = b_.add(sum, b_.mul(stream, b_.view_2d(mixed.comb, 1, n_tokens_, comb_stride[2], offset)));
    }
    sum = b_.reshape(sum, n_embd_, 1, n_tokens_);
    out = out ? b_.concat(out, sum, 1) : sum;
  }
  return out;
}

Ref HyperConnections::finish(Ref streams, Ref out_ids)
{
  const auto hc_dim = hc_ * n_embd_, n_out = b_.n_outputs();
  const auto rows = b_.get_rows(b_.reshape(streams, hc_dim, n_tokens_), out_ids);
  const auto last = b_.reshape(rows, n_embd_, hc_, n_out);
  const auto fn = b_.weight("output_hc_fn", k_global, {hc_dim, hc_});
  const auto base = b_.weight("output_hc_base", k_global, {hc_});
  const auto scale = b_.weight("output_hc_scale", k_global, {1});
  const auto mixes = b_.mul_mat(fn, b_.rms_norm(b_.reshape(last, hc_dim, n_out)));
  return weighted_sum(last, b_.scale(b_.sigmoid(affine(mixes, scale, base))));
}

}  // namespace canirun
