#include "arch/builder.hpp"

#include <algorithm>
#include <cassert>

namespace canirun {
Builder::Builder(const ModelSpec& model, TensorPlan& plan) : GraphOps(nullptr), model_(model), declared_(&plan)
{
  request_.shape.n_seq_max = 1;
  if (!model.tensors.empty()) named_.emplace(plan, model.arch);
  files_.reserve(model.tensors.size());
  for (std::size_t i = 0; i < model.tensors.size(); ++i) files_.emplace(model.tensors[i].name, static_cast<std::int32_t>(i));
  from_file_.assign(model.tensors.size(), -1);
  plan.tensors.reserve(model.tensors.empty() ? 16 + model.n_layer * 12 : model.tensors.size());
}

Builder::Builder(const ModelSpec& model, const TensorPlan& plan, const GraphRequest& request, Graph& graph)
    : GraphOps(&graph), model_(model), request_(request), plan_(&plan), caches_(model.n_layer + model.n_layer_nextn)
{
  // llama_context::graph_reserve: the batch is rounded up to whole sequences.
  const auto n_seqs = std::max<std::uint64_t>(request.shape.n_seq_max, 1);
  n_tokens_ = pad_to(std::min<std::uint64_t>(request.shape.n_ctx, request.shape.n_ubatch), n_seqs);
  graph.tensors.reserve(128 + plan.tensors.size() * 6);
  graph.nodes.reserve(128 + plan.tensors.size() * 4);
}

std::uint32_t LayerLoop::Iterator::operator*() const { return b_->layer_of(i_); }

LayerLoop::Iterator& LayerLoop::Iterator::operator++()
{
  b_->end_layer();
  b_->begin_layer(++i_);
  return *this;
}

LayerLoop::Iterator LayerLoop::begin() const
{
  b_.begin_layer(0);
  return {b_, 0};
}

LayerLoop::Iterator LayerLoop::end() const { return {b_, b_.n_visits()}; }

/// Also called past the last layer, where what follows the loop begins.
void Builder::begin_layer(std::size_t visit)
{
  const bool past = visit >= n_visits();
  if (declared_) {
    declared_->layer_slots.push_back(static_cast<std::uint32_t>(declared_->slots.size()));
    if (past) return;
    const auto il = layer_now_ = layer_of(visit);
    trace_ = {};
    for (const std::uint64_t fact : {model_.head_k(il), model_.head_v(il), std::uint64_t{model_.n_head(il)},
                                     std::uint64_t{model_.n_head_kv(il)}, std::uint64_t{model_.n_ff(il)}}) {
      note(fact);
    }
    note((model_.is_swa(il) ? 1u : 0u) | (model_.is_recurrent(il) ? 2u : 0u) | (model_.is_moe(il) ? 4u : 0u) |
         (il + model_.n_layer_kv_shared >= model_.n_layer ? 8u : 0u));
    return;
  }
  const auto il = past ? model_.n_layer : layer_of(visit);
  cursor_ = plan_->layer_slots[il];
  graph_->layer_begin.push_back(static_cast<std::int32_t>(graph_->tensors.size()));
}

void Builder::end_layer()
{
  if (declared_) declared_->layer_kinds.push_back(trace_.value);
}

Ref Builder::slot(std::uint32_t il)
{
  assert(cursor_ < plan_->slots.size() && "recording asks for weights that declaring did not");
  const auto index = plan_->slots[cursor_++];
  if (index < 0) return {};
  const auto& t = plan_->tensors[static_cast<std::size_t>(index)];
  const auto n_layer_all = static_cast<std::int32_t>(model_.n_layer + model_.n_layer_nextn);
  const auto layer = t.place == TensorPlace::input    ? -1
                     : t.place == TensorPlace::output ? n_layer_all
                     : il == k_global                 ? 0
                                                      : static_cast<std::int32_t>(il);
  return leaf(Leaf::weight, t.type, t.ne, layer, index);
}

/// Layers name the same tensors in the same order: the one after the last is most often the next.
Builder::KnownRole& Builder::known_role(std::string_view name, std::string_view suffix, bool in_block)
{
  const auto is_it = [&](const KnownRole& r) {
    return r.in_block == in_block && r.name == name && (r.suffix.data() == suffix.data() || r.suffix == suffix);
  };
  const auto next = next_role_ < roles_.size() ? next_role_ : 0;
  auto i = next;
  if (roles_.empty() || !is_it(roles_[i])) i = static_cast<std::size_t>(std::ranges::find_if(roles_, is_it) - roles_.begin());
  next_role_ = i + 1;
  if (i < roles_.size()) return roles_[i];
  return roles_.emplace_back(
      KnownRole{.name = std::string(name), .suffix = suffix, .in_block = in_block, .hash = hash_of(name, suffix), .like = {}});
}

Ref Builder::declare(std::string_view name, std::string_view suffix, std::uint32_t il, std::initializer_list<std::uint64_t> ne,
                     bool exists, bool required, bool shared)
{
  if (!declared_) return slot(il);
  const bool in_block = il != k_global && !shared;
  auto& known = known_role(name, suffix, in_block);
  note(known.hash);
  for (const auto n : ne) note(n);
  auto& tensors = declared_->tensors;
  auto index = -1;
  std::array<std::uint64_t, 4> shape{1, 1, 1, 1};
  std::copy(ne.begin(), ne.end(), shape.begin());
  if (!model_.tensors.empty()) {
    const auto full = full_name(role_of(name, suffix, in_block), il);
    const auto found = files_.find(full);
    if (found == files_.end()) {
      complete_ = complete_ && !required;
    } else {
      const auto file_index = static_cast<std::size_t>(found->second);
      if (from_file_[file_index] < 0) {
        const auto& source = model_.tensors[file_index];
        from_file_[file_index] = static_cast<std::int32_t>(tensors.size());
        auto& t = named_->append(full);
        std::copy_n(source.shape.begin(), std::min<std::size_t>(source.shape.size(), 4), t.ne.begin());
        t.type = source.type;
        complete_ = complete_ && t.ne == shape;
      }
      index = from_file_[file_index];
    }
  } else if (exists) {
    if (!known.in_plan) {
      known.in_plan = true;
      known.like = describe(declared_->roles.emplace_back(role_of(name, suffix, in_block)), model_.arch);
      known.like.role = static_cast<std::uint32_t>(declared_->roles.size() - 1);
    }
    if (shared) {
      const auto same = std::ranges::find(tensors, known.like.role, &PlannedTensor::role);
      if (same != tensors.end()) index = static_cast<std::int32_t>(same - tensors.begin());
    }
    if (index < 0) {
      index = static_cast<std::int32_t>(tensors.size());
      auto& t = tensors.emplace_back(known.like);
      t.layer = in_block ? il : 0;
      t.ne = shape;
    }
  }
  declared_->slots.push_back(index);
  note(index < 0 ? 1 : 2);
  return index < 0 ? Ref{} : Ref{0};
}

Ref Builder::weight(std::string_view name, std::uint32_t il, std::initializer_list<std::uint64_t> ne)
{
  return declare(name, ".weight", il, ne, true, true, false);
}

Ref Builder::weight_if(bool exists, std::string_view name, std::uint32_t il, std::initializer_list<std::uint64_t> ne)
{
  return declare(name, ".weight", il, ne, exists, false, false);
}

Ref Builder::bias(std::string_view name, std::uint32_t il, std::uint64_t n)
{
  return declare(name, ".bias", il, {n}, true, true, false);
}

Ref Builder::bias_if(bool exists, std::string_view name, std::uint32_t il, std::uint64_t n)
{
  return declare(name, ".bias", il, {n}, exists, false, false);
}

Ref Builder::bare(std::string_view name, std::uint32_t il, std::initializer_list<std::uint64_t> ne)
{
  return declare(name, "", il, ne, true, true, false);
}

Ref Builder::bare_if(bool exists, std::string_view name, std::uint32_t il, std::initializer_list<std::uint64_t> ne)
{
  return declare(name, "", il, ne, exists, false, false);
}

Ref Builder::table(std::string_view name, std::uint32_t il, std::initializer_list<std::uint64_t> ne)
{
  const auto r = declare(name, ".weight", il, ne, true, true, false);
  if (declared_ && model_.tensors.empty()) declared_->tensors.back().type = TensorType::i32;
  return r;
}

Ref Builder::shared_if(bool exists, std::string_view name, std::uint32_t il, std::initializer_list<std::uint64_t> ne)
{
  return declare(name, ".weight", il, ne, exists, false, true);
}

Ref Builder::output_weight()
{
  const auto own = weight_if(!model_.tied_embeddings, "output", k_global, {model_.n_embd, model_.n_vocab});
  if (own) return own;
  // TENSOR_DUPLICATED: the embedding is loaded a second time, on the output layer's device.
  if (declared_) {
    const auto* embd = declared_->find("token_embd.weight");
    if (!embd) {
      complete_ = false;
      return {};
    }
    const auto index = embd - declared_->tensors.data();
    declared_->tensors[static_cast<std::size_t>(index)].duplicated_output = true;
    declared_->slots.push_back(static_cast<std::int32_t>(index));
    return Ref{0};
  }
  const auto second = slot(k_global);
  (*graph_)[second].layer = static_cast<std::int16_t>(model_.n_layer + model_.n_layer_nextn);
  return second;
}

Ref Builder::inp_embd(bool scaled)
{
  const std::uint64_t n_embd = model_.n_embd, n_embd_inp = n_embd * (1 + std::uint64_t{model_.n_deepstack_layers});
  token_embd_ = weight("token_embd", k_global, {n_embd, model_.n_vocab});
  const auto tokens = tokens_ = input(TensorType::i32, n_tokens_);
  const auto vectors = input(TensorType::f32, n_embd_inp, n_tokens_);
  auto cur = get_rows(token_embd_, tokens);
  if (n_embd_inp != n_embd) cur = pad(cur, n_embd_inp - n_embd);
  // ggml_build_forward_select: both ways to feed the model are in the graph.
  expand(cur);
  expand(vectors);
  if (n_embd_inp != n_embd) cur = view_2d(cur, n_embd, n_tokens_, at(cur).nb[1], 0);
  if (scaled) cur = scale(cur);
  expand(cur);
  return cur;
}

Ref Builder::inp_pos(std::uint64_t per_token) { return input(TensorType::i32, n_tokens_ * per_token); }

Ref Builder::inp_out_ids() { return input(TensorType::i32, n_outputs()); }

Ref Builder::inp_attn_scale() { return input(TensorType::f32, 1, 1, n_tokens_); }

Ref Builder::norm(Norm kind, Ref cur, Ref w, Ref b, std::uint32_t il)
{
  cur = kind == Norm::rms ? rms_norm(cur) : norm(cur);
  if ((w || b) && il != k_global) tag(cur, NodeTag::norm, il);
  if (w) cur = mul(cur, w);
  if (b) cur = add(cur, b);
  return cur;
}

Ref Builder::norm(Ref cur, std::string_view name, std::uint32_t il, Norm kind)
{
  const auto w = weight(name, il, {model_.n_embd});
  const auto b = kind == Norm::layer ? bias_if(model_.norm_bias, name, il, model_.n_embd) : Ref{};
  return norm(kind, cur, w, b, il);
}

Ref Builder::linear(Ref cur, std::string_view name, std::uint32_t il, std::uint64_t n_in, std::uint64_t n_out, bool has_bias)
{
  const auto w = weight(name, il, {n_in, n_out});
  const auto b = bias_if(has_bias, name, il, n_out);
  cur = mul_mat(w, cur);
  return b ? add(cur, b) : cur;
}

QkvShape Builder::qkv_shape(std::uint32_t il) const
{
  return {.n_in = model_.n_embd,
          .n_head = model_.n_head(il),
          .n_head_kv = model_.n_head_kv(il),
          .head_q = model_.head_k(il),
          .head_k = model_.head_k(il),
          .head_v = model_.head_v(il),
          .bias = model_.attn.bias_qkv};
}

Qkv Builder::qkv(Ref cur, std::uint32_t il, const QkvShape& s)
{
  const auto n_in = s.n_in ? s.n_in : model_.n_embd;
  const auto n_q = s.head_q * s.n_head, n_k = s.head_k * s.n_head_kv, n_v = s.head_v * s.n_head_kv;
  const auto clamped = [&](Ref r) { return s.clamp && s.reshape ? clamp(r) : r; };
  if (const auto wqkv = weight_if(s.fused, "attn_qkv", il, {n_in, n_q + n_k + n_v})) {
    const auto bqkv = bias_if(s.fused && s.bias, "attn_qkv", il, n_q + n_k + n_v);
    auto x = mul_mat(wqkv, cur);
    if (bqkv) x = add(x, bqkv);
    x = clamped(x);
    const auto nb1 = at(x).nb[1];
    if (!s.reshape) {
      const auto q = view_2d(x, n_q, n_tokens_, nb1, 0);
      const auto k = view_2d(x, n_k, n_tokens_, nb1, 4 * n_q);
      const auto v = view_2d(x, n_v, n_tokens_, nb1, 4 * (n_q + n_k));
      return {cont(q), cont(k), cont(v)};
    }
    return {view_3d(x, s.head_q, s.n_head, n_tokens_, 4 * s.head_q, nb1, 0),
            view_3d(x, s.head_k, s.n_head_kv, n_tokens_, 4 * s.head_k, nb1, 4 * n_q),
            view_3d(x, s.head_v, s.n_head_kv, n_tokens_, 4 * s.head_v, nb1, 4 * (n_q + n_k))};
  }
  const auto q = clamped(linear(cur, "attn_q", il, n_in, n_q, s.bias));
  const auto k = clamped(linear(cur, "attn_k", il, n_in, n_k, s.bias));
  const auto v = clamped(linear(cur, "attn_v", il, n_in, n_v, s.bias));
  if (!s.reshape) return {q, k, v};
  return {reshape(q, s.head_q, s.n_head, n_tokens_), reshape(k, s.head_k, s.n_head_kv, n_tokens_),
          reshape(v, s.head_v, s.n_head_kv, n_tokens_)};
}

void Builder::finish(Ref embd, Ref logits)
{
  expand(logits ? logits : embd);
  if (logits) set_output(logits);
  set_output(embd);
  if (!request_.embeddings) return;
  // build_pooling
  auto pooled = embd;
  if (model_.pooling == Pooling::mean) {
    const auto weights = input(TensorType::f32, n_tokens_, n_seqs());
    pooled = mul_mat(cont(transpose(embd)), weights);
  } else if (model_.pooling != Pooling::none) {
    pooled = get_rows(embd, input(TensorType::i32, n_seqs()));
  }
  expand(pooled);
  set_output(pooled);
}

void Builder::finish_lm(Ref cur, Norm kind)
{
  const auto embd = norm(cur, "output_norm", k_global, kind);
  const auto w = output_weight();
  const auto b = bias_if(model_.lm_head_bias, "output", k_global, model_.n_vocab);
  auto logits = mul_mat(w, embd);
  if (b) logits = add(logits, b);
  finish(embd, logits);
}

}  // namespace canirun
