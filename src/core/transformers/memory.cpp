#include <algorithm>
#include <array>
#include <string_view>

#include "cache.hpp"
#include "checkpoint_rows.hpp"
#include "checkpoint_weights.hpp"
#include "transformers/transformers.hpp"

namespace canirun {

namespace {

constexpr std::array<std::string_view, 8> k_not_there{"rwkv6", "rwkv6qwen2", "rwkv7",     "arwkv7",
                                                      "dream", "llada",      "llada-moe", "rnd1"};

/// Bytes of a number in the cache and between layers: the model's type, 16 bits where its weights are quantised.
double number_bytes(CheckpointType type) { return type == CheckpointType::f32 ? 4 : 2; }

/// Numbers that one token adds to the cache of a layer. Latent attention caches keys and values of every head
/// (modeling_deepseek_v3.py: past_key_values.update after kv_b_proj), not latents.
double cached_numbers(const ModelSpec& model, std::uint32_t il)
{
  if (il + model.n_layer_kv_shared >= model.n_layer && model.n_layer_kv_shared > 0) return 0;
  if (model.is_mla()) {
    const auto& mla = *model.mla;
    return model.n_head(il) * (static_cast<double>(mla.qk_nope_head_dim) + mla.qk_rope_head_dim + mla.v_head_dim);
  }
  return static_cast<double>(model.n_head_kv(il)) * static_cast<double>(model.head_k(il) + model.head_v(il));
}

/// Numbers for one token between the operations of a layer, beside residual and normalised input.
double layer_numbers(const ModelSpec& model, std::uint32_t il)
{
  double ffn = 3.0 * model.n_ff(il);  // gate, up, their product
  if (model.is_moe(il)) {
    const auto& moe = *model.moe;
    ffn = moe.n_expert_used * (3.0 * moe.n_ff_expert + model.n_embd) + 3.0 * moe.n_ff_shared;
  }
  // Queries, keys and values repeated for every head (integrations/sdpa_attention.py: repeat_kv), the result.
  const double attention = 4.0 * model.n_head(il) * static_cast<double>(std::max(model.head_k(il), model.head_v(il)));
  return std::max(ffn, attention);
}

}  // namespace

double TransformersModel::total_weights() const
{
  double sum = 0;
  for (const auto& m : modules) sum += m.weights;
  return sum;
}

TransformersModel transformers_weights(const ModelSpec& model, const TensorPlan& plan, const PlanLayers& layers, CheckpointType type)
{
  TransformersModel out;
  out.modules.resize(model.n_layer + 2);
  const auto bytes = [&](std::uint32_t i) {
    const auto t = named(plan, plan.tensors[i]);
    if (!is_in_checkpoint(t)) return 0.0;
    // bitsandbytes makes 16 bits of a matrix while it multiplies a prompt (bitsandbytes/autograd/_functions.py: MatMul4Bit).
    if (is_quantised(t, type) && !t.expert)
      out.largest_matrix = std::max(out.largest_matrix, 2.0 * static_cast<double>(t.n_elements()));
    return static_cast<double>(t.n_elements()) * checkpoint_bytes_per_weight(t, type);
  };
  std::vector<double> of_kind;
  for (const auto& kind : layers.kinds()) {
    double sum = 0;
    for (const auto i : kind.tensors) sum += bytes(i);
    of_kind.push_back(sum);
  }
  for (std::uint32_t il = 0; il < layers.size(); ++il)
    out.modules[std::min(il, model.n_layer - 1) + 1].weights += of_kind[layers.kind_of()[il]];
  for (const auto i : layers.outside()) {
    const auto place = plan.tensors[i].place;
    out.modules[place == TensorPlace::input ? 0 : place == TensorPlace::repeating ? 1 : model.n_layer + 1].weights += bytes(i);
  }
  return out;
}

TransformersModel with_text(TransformersModel out, const ModelSpec& model, CheckpointType type, std::uint32_t n_tokens,
                            std::uint32_t n_seq)
{
  const auto number = number_bytes(type);
  const double all_tokens = static_cast<double>(n_tokens) * n_seq;
  const auto state = number * static_cast<double>(conv_state_width(model)) + 4.0 * static_cast<double>(ssm_state_width(model));
  double widest = 0, largest_cache = 0;
  for (std::uint32_t il = 0; il < model.n_layer; ++il) {
    auto& module = out.modules[il + 1];
    if (model.is_recurrent(il)) module.cache += n_seq * state;
    // A sliding layer keeps its window less one (cache_utils.py: DynamicSlidingWindowLayer).
    const auto window = model.is_swa(il) && model.swa ? std::min<double>(n_tokens, model.swa->window) : n_tokens;
    const auto cache =
        (model.is_recurrent(il) && model.n_head_kv(il) == 0 ? 0 : cached_numbers(model, il)) * number * window * n_seq;
    module.cache += cache;
    largest_cache = std::max(largest_cache, cache);
    widest = std::max(widest, layer_numbers(model, il));
  }
  // The prompt goes through in one piece; only its last position gets logits, in the model's type and in F32 (generation/utils.py).
  const auto prompt = number * all_tokens * (2.0 * model.n_embd + widest) + n_seq * model.n_vocab * (number + 4.0);
  // A token is appended by making the layer's cache anew (cache_utils.py, DynamicLayer.update: torch.cat).
  out.activations = std::max(prompt + out.largest_matrix, largest_cache);
  return out;
}

DeviceMap device_map(const TransformersModel& model, const std::vector<double>& room)
{
  double largest = 0;
  for (const auto& m : model.modules) largest = std::max(largest, m.weights);
  // get_balanced_memory: an equal part and a quarter more than the largest module, on all GPUs but the last.
  const auto part = model.total_weights() / std::max<double>(1, static_cast<double>(room.size())) + 1.25 * largest;
  double caches = 0;
  for (const auto& m : model.modules) caches += m.cache;
  const auto fill = [&](bool offloads) {
    DeviceMap map;
    map.n_modules.assign(room.size(), 0);
    std::size_t next = 0;
    for (std::size_t gpu = 0; gpu < room.size(); ++gpu) {
      // What stays in RAM computes on the first GPU: its caches are there, and room for the largest module.
      const bool first = offloads && gpu == 0;
      double weights = 0, used = first ? largest + caches : 0;
      while (next < model.modules.size()) {
        const auto& m = model.modules[next];
        const auto need = m.weights + (first ? 0 : m.cache);
        if (used + need > room[gpu] || (gpu + 1 < room.size() && weights + m.weights > part)) break;
        used += need;
        weights += m.weights;
        ++map.n_modules[gpu];
        ++next;
      }
    }
    map.n_on_cpu = model.modules.size() - next;
    return map;
  };
  const auto map = fill(false);
  return map.n_on_cpu == 0 ? map : fill(true);
}

std::optional<std::string> transformers_refuses(const ModelSpec& model, const ModelFacts& facts, const Question& question)
{
  if (std::ranges::find(k_not_there, model.arch) != k_not_there.end())
    return "transformers has no implementation of the architecture " + model.arch;
  if (auto why = checkpoint_refuses(model, facts, question, "transformers")) return why;
  const auto& w = question.workload;
  const auto is_16_bit = [](TensorType t) { return t == TensorType::f16 || t == TensorType::bf16; };
  if (!is_16_bit(w.cache_type_k) || !is_16_bit(w.cache_type_v)) return "transformers keeps the cache in the model's type";
  return std::nullopt;
}

}  // namespace canirun
