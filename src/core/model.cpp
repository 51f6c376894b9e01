#include "canirun/core/model.hpp"

#include <algorithm>

namespace canirun {

std::uint64_t ModelSpec::head_k(std::size_t il) const
{
  if (is_mla()) return std::uint64_t{mla->kv_lora_rank} + mla->qk_rope_head_dim;
  return is_swa(il) && head_dim_k_swa ? head_dim_k_swa : head_dim_k;
}

std::uint64_t ModelSpec::head_v(std::size_t il) const
{
  if (is_mla()) return mla->kv_lora_rank;
  return is_swa(il) && head_dim_v_swa ? head_dim_v_swa : head_dim_v;
}

std::uint64_t ModelSpec::n_embd_k_gqa(std::size_t il) const { return head_k(il) * (is_mla() ? 1 : n_head_kv(il)); }

std::uint64_t ModelSpec::n_embd_v_gqa(std::size_t il) const { return head_v(il) * (is_mla() ? 1 : n_head_kv(il)); }

std::uint64_t ModelSpec::n_embd_v_gqa_max() const
{
  std::uint64_t widest = 0;
  for (std::size_t il = 0; il < n_layer + n_layer_nextn; ++il) widest = std::max(widest, n_embd_v_gqa(il));
  return widest;
}

bool ModelSpec::is_recurrent(std::size_t il) const { return std::ranges::find(recurrent_layers, il) != recurrent_layers.end(); }

bool ModelSpec::is_swa(std::size_t il) const { return swa && swa->window > 0 && il < swa->local.size() && swa->local[il]; }

bool ModelSpec::is_moe(std::size_t il) const
{
  return moe && moe->n_expert > 0 && il >= moe->n_layer_dense_lead &&
         std::ranges::find(moe->dense_layers, il) == moe->dense_layers.end();
}

}  // namespace canirun
