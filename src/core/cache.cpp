#include "cache.hpp"

#include <algorithm>
#include <numeric>
#include <string_view>

#include "canirun/core/runtime.hpp"

namespace canirun {
namespace {

/// Architectures for which llama_model::create_memory makes nothing: encoders and diffusion models.
bool has_no_memory(const ModelSpec& model)
{
  constexpr std::array<std::string_view, 14> none{
      "bert",        "jina-bert-v2",     "jina-bert-v3",    "nomic-bert", "nomic-bert-moe", "neo-bert",  "eurobert",
      "modern-bert", "wavtokenizer-dec", "gemma-embedding", "dream",      "llada",          "llada-moe", "rnd1"};
  return std::ranges::find(none, model.arch) != none.end();
}

/// llama-arch.cpp: llm_arch_is_recurrent. Every layer has a state, none a KV cache.
bool is_purely_recurrent(const ModelSpec& model)
{
  constexpr std::array<std::string_view, 6> pure{"mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"};
  return std::ranges::find(pure, model.arch) != pure.end();
}

/// Which layers keep what; what holds of the whole model is worked out once.
class LayerMemory {
 public:
  explicit LayerMemory(const ModelSpec& model)
      : model_(model),
        pure_(is_purely_recurrent(model)),
        both_(model.arch == "falcon-h1"),
        heads_decide_(model.arch == "nemotron_h" || model.arch == "nemotron_h_moe"),
        stateful_(model.ssm && model.ssm->kind != SsmKind::none)
  {
  }

  bool has_state(std::uint32_t il) const { return stateful_ && (pure_ || both_ || model_.is_recurrent(il)); }

  bool has_kv(std::uint32_t il) const
  {
    if (pure_) return false;
    if (both_) return true;
    if (model_.is_recurrent(il)) return false;
    if (heads_decide_) return model_.n_head_kv(il) > 0;
    return il < model_.n_layer - std::min(model_.n_layer_kv_shared, model_.n_layer);
  }

 private:
  const ModelSpec& model_;
  bool pure_, both_, heads_decide_, stateful_;
};

struct Layout {
  std::uint64_t cells = 0;
  std::uint64_t streams = 1;
  TensorType type_k = TensorType::f16;
  TensorType type_v = TensorType::f16;
};

void add_kv(std::vector<CacheTensor>& out, const Layout& at, std::uint32_t il, bool swa, std::uint64_t width_k,
            std::uint64_t width_v, bool with_v, CacheKind k = CacheKind::k, CacheKind v = CacheKind::v)
{
  out.push_back({.kind = k, .layer = il, .swa = swa, .type = at.type_k, .ne = {width_k, at.cells, at.streams}});
  if (with_v) out.push_back({.kind = v, .layer = il, .swa = swa, .type = at.type_v, .ne = {width_v, at.cells, at.streams}});
}

bool has_indexer(const MlaSpec& mla, std::uint32_t il)
{
  if (mla.indexer_n_head == 0) return false;
  return mla.indexer_layers.empty() || std::ranges::find(mla.indexer_layers, il) != mla.indexer_layers.end();
}

/// DeepSeek-V4 (llama-kv-cache-dsv4.cpp): a window of raw keys on every layer, keys compressed 4 : 1 (with an indexer over them) or
/// 128 : 1 on some, and the compressors' F32 states. Streams are one a sequence whatever kv_unified says.
void add_dsv4(std::vector<CacheTensor>& out, const ModelSpec& model, const Workload& w, const RunShape& shape,
              std::span<const std::uint32_t> layers)
{
  constexpr std::uint32_t fine = 4, coarse = 128;
  const std::uint64_t n = shape.n_ctx_seq;
  const std::uint64_t streams = shape.n_seq_max;
  const auto window = model.swa ? model.swa->window : coarse;
  const auto raw = has_full_windows(w) ? n : pad_to(std::min<std::uint64_t>(n, window + std::uint64_t{shape.n_ubatch}), 256);
  const std::uint64_t head = model.head_dim_k;
  const std::uint64_t index = model.mla ? model.mla->indexer_head_dim : coarse;
  const auto compressed = [&](std::uint32_t ratio) { return pad_to((n + ratio - 1) / ratio, 256); };
  const auto state = [&](std::uint32_t il, std::uint64_t width, std::uint64_t rows) {
    for (int i = 0; i < 2; ++i) {  // keys and scores
      out.push_back({.kind = CacheKind::compressed, .layer = il, .type = TensorType::f32, .ne = {width, rows, streams}});
    }
  };
  for (const auto il : layers) {
    add_kv(out, {raw, streams, w.cache_type_k, w.cache_type_v}, il, true, head, 0, false);
    const auto ratio = il < model.dsv4->compress_ratios.size() ? model.dsv4->compress_ratios[il] : 0;
    if (ratio != fine && ratio != coarse) continue;
    const Layout layout{compressed(ratio), streams, w.cache_type_k, w.cache_type_v};
    add_kv(out, layout, il, false, head, 0, false, CacheKind::compressed);
    if (ratio == coarse) {
      state(il, head, coarse);
      continue;
    }
    add_kv(out, layout, il, false, index, 0, false, CacheKind::indexer_k);
    state(il, std::uint64_t{2} * head, std::uint64_t{2} * fine);
    state(il, std::uint64_t{2} * index, std::uint64_t{2} * fine);
  }
}

}  // namespace

std::uint64_t conv_state_width(const ModelSpec& model)
{
  if (!model.ssm) return 0;
  const auto& s = *model.ssm;
  const std::uint64_t taps = s.d_conv > 0 ? s.d_conv - 1 : 0;
  switch (s.kind) {
    case SsmKind::none: return 0;
    case SsmKind::rwkv6:
    case SsmKind::rwkv7: return (model.arch == "arwkv7" || model.arch == "rwkv6qwen2" ? 1u : 2u) * std::uint64_t{model.n_embd};
    case SsmKind::shortconv: return std::uint64_t{model.n_embd} * taps;
    case SsmKind::kda: return 3 * (s.d_conv > 0 ? taps : 3) * model.n_head(0) * s.head_dim;
    case SsmKind::lightning: return 0;
    case SsmKind::mamba1:
    case SsmKind::mamba2:
    case SsmKind::gated_delta: return taps * (s.d_inner + 2 * std::uint64_t{s.n_group} * s.d_state);
  }
  return 0;
}

std::uint64_t ssm_state_width(const ModelSpec& model)
{
  if (!model.ssm) return 0;
  const auto& s = *model.ssm;
  switch (s.kind) {
    case SsmKind::none:
    case SsmKind::shortconv: return 0;
    case SsmKind::rwkv6:
    case SsmKind::rwkv7: return std::uint64_t{model.n_embd} * s.head_dim;
    case SsmKind::kda:
    case SsmKind::lightning: return std::uint64_t{s.head_dim} * s.head_dim * model.n_head(0);
    case SsmKind::mamba1:
    case SsmKind::mamba2:
    case SsmKind::gated_delta: return std::uint64_t{s.d_state} * s.d_inner;
  }
  return 0;
}

std::uint64_t sliding_cells(const ModelSpec& model, const RunShape& shape, bool swa_full)
{
  const std::uint64_t full = shape.n_ctx_seq;
  if (!model.swa || swa_full) return full;
  const std::uint64_t n_windows = shape.n_stream == 1 ? shape.n_seq_max : 1;
  return pad_to(std::min(full, model.swa->window * n_windows + shape.n_ubatch), 256);
}

bool stores_v_transposed(const ModelSpec& model, const Workload& workload)
{
  return workload.flash_attn == FlashAttention::off || model.arch == "grok";
}

namespace {

/// Of some of the layers.
std::vector<CacheTensor> tensors_of(const ModelSpec& model, const Workload& workload, const RunShape& shape,
                                    std::span<const std::uint32_t> layers)
{
  std::vector<CacheTensor> out;
  if (has_no_memory(model)) return out;
  out.reserve(2 * layers.size());
  if (model.dsv4) {
    add_dsv4(out, model, workload, shape, layers);
    return out;
  }

  const Layout full{shape.n_ctx_seq, shape.n_stream, workload.cache_type_k, workload.cache_type_v};
  auto sliding = full;
  sliding.cells = sliding_cells(model, shape, has_full_windows(workload));
  const auto mla = model.is_mla();
  const auto widest_v = model.n_embd_v_gqa_max();
  const auto v_transposed = stores_v_transposed(model, workload);
  const auto conv = conv_state_width(model), state = ssm_state_width(model);
  const LayerMemory memory(model);

  for (const auto il : layers) {
    if (memory.has_state(il)) {
      const auto add_state = [&](CacheKind kind, std::uint64_t width) {
        out.push_back({.kind = kind, .layer = il, .type = TensorType::f32, .ne = {width, shape.n_seq_max, 1}});
      };
      if (conv) add_state(CacheKind::conv_state, conv);
      if (state) add_state(CacheKind::ssm_state, state);
    }
    if (!memory.has_kv(il)) continue;
    const auto swa = model.is_swa(il);
    const auto width_v = v_transposed ? widest_v : model.n_embd_v_gqa(il);
    add_kv(out, swa ? sliding : full, il, swa, model.n_embd_k_gqa(il), width_v, !mla);
    if (model.mla && has_indexer(*model.mla, il)) {
      add_kv(out, full, il, false, model.mla->indexer_head_dim, 0, false, CacheKind::indexer_k);
    }
    // minimax-m3 (llama-kv-cache-msa.cpp): one key head, and a V of the model's head width that nothing reads.
    if (model.sparse && il >= model.sparse->first_layer) {
      add_kv(out, full, il, false, model.sparse->index_dim, model.head_v(il), true, CacheKind::indexer_k, CacheKind::indexer_v);
    }
  }
  return out;
}

}  // namespace

std::vector<CacheTensor> cache_tensors(const ModelSpec& model, const Workload& workload, const RunShape& shape)
{
  std::vector<std::uint32_t> all(model.n_layer);
  std::iota(all.begin(), all.end(), 0u);
  return tensors_of(model, workload, shape, all);
}

CacheLayers cache_layers(const ModelSpec& model, const Workload& workload, const RunShape& shape)
{
  const auto all = cache_tensors(model, workload, shape);
  struct Kind {
    std::uint32_t n_head;
    std::span<const CacheTensor> tensors;
  };
  const auto keeps_same = [](const CacheTensor& a, const CacheTensor& b) {
    return a.kind == b.kind && a.swa == b.swa && a.type == b.type && a.ne == b.ne;
  };
  std::vector<Kind> kinds;
  CacheLayers layers;
  layers.kind_of.reserve(model.n_layer);
  auto next = all.begin();
  for (std::uint32_t il = 0; il < model.n_layer; ++il) {
    const auto begin = next;
    while (next != all.end() && next->layer == il) ++next;
    const Kind own{model.n_head(il), {begin, next}};
    const auto known = std::ranges::find_if(
        kinds, [&](const Kind& k) { return k.n_head == own.n_head && std::ranges::equal(k.tensors, own.tensors, keeps_same); });
    layers.kind_of.push_back(static_cast<std::uint32_t>(known - kinds.begin()));
    if (known != kinds.end()) continue;
    kinds.push_back(own);
    layers.firsts.push_back(il);
    layers.tensors.insert(layers.tensors.end(), begin, next);
  }
  return layers;
}

void set_context(CacheLayers& layers, const ModelSpec& model, const Workload& workload, const RunShape& shape)
{
  layers.tensors = tensors_of(model, workload, shape, layers.firsts);
}

}  // namespace canirun
