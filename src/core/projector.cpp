#include "canirun/core/projector.hpp"

#include "graph/backend_rules.hpp"

namespace canirun {

Bytes projector_weights(const Projector& projector, Backend backend)
{
  Bytes sum;
  for (const auto& t : projector.tensors) {
    if (t.shape.empty()) continue;
    std::uint64_t rows = 1;
    for (std::size_t i = 1; i < t.shape.size(); ++i) rows *= t.shape[i];
    const auto bytes = rows * row_size(t.type, t.shape[0]).count;
    sum += align_up({bytes + row_tail(backend, t.type, t.shape[0])}, buffer_alignment(backend));
  }
  return sum;
}

Bytes projector_weights(const ModelSpec& model) { return {2 * model.n_params_mmproj}; }

}  // namespace canirun
