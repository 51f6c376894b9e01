#include "canirun/core/model.hpp"

#include <algorithm>

namespace canirun {

bool ModelSpec::is_recurrent(std::size_t il) const
{
  return std::ranges::find(recurrent_layers, il) != recurrent_layers.end();
}

bool ModelSpec::is_swa(std::size_t il) const
{
  return swa && swa->window > 0 && il < swa->local.size() && swa->local[il];
}

bool ModelSpec::is_moe(std::size_t il) const
{
  return moe && moe->n_expert > 0 && il >= moe->n_layer_dense_lead &&
         std::ranges::find(moe->dense_layers, il) == moe->dense_layers.end();
}

}  // namespace canirun
