#include "canirun/core/workload.hpp"

#include <algorithm>
#include <limits>

#include "canirun/core/model.hpp"
#include "canirun/core/runtime.hpp"
#include "canirun/core/units.hpp"

namespace canirun {
namespace {

constexpr std::uint32_t k_default_n_ctx = 8192;
constexpr std::uint64_t k_ctx_pad = 256;  // llama-context.cpp: GGML_PAD(n_ctx, 256)

std::uint32_t narrow(std::uint64_t n)
{
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(n, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

RunShape resolve(const Workload& w, const ModelSpec& model)
{
  RunShape s;
  s.n_seq_max = std::max(w.n_seq_max, 1u);
  auto n_ctx = w.n_ctx;
  if (n_ctx == 0 && model.n_ctx_train > 0) n_ctx = narrow(pad_to(std::min(k_default_n_ctx, model.n_ctx_train), k_ctx_pad));
  else if (n_ctx == 0) n_ctx = k_default_n_ctx;

  // Batches are clamped before the context is padded.
  const auto n_batch = std::max(w.n_batch, 1u);
  s.n_batch = model.causal ? std::min(n_ctx, n_batch) : n_batch;
  s.n_ubatch = std::min(s.n_batch, w.n_ubatch == 0 ? n_batch : w.n_ubatch);

  auto outputs_max = w.n_outputs_max;
  if (outputs_max == 0 && rules_of(w.runtime).outputs_per_slot && !w.embeddings) outputs_max = s.n_seq_max;
  if (outputs_max == 0) outputs_max = s.n_batch;

  const auto padded = pad_to(n_ctx, k_ctx_pad);
  if (w.kv_unified) {
    s.n_stream = 1;
    s.n_ctx = s.n_ctx_seq = narrow(padded);
  } else {
    s.n_stream = s.n_seq_max;
    s.n_ctx_seq = narrow(std::max(pad_to(padded / s.n_seq_max, k_ctx_pad), k_ctx_pad));
    s.n_ctx = narrow(std::uint64_t{s.n_ctx_seq} * s.n_seq_max);
  }
  s.n_outputs = std::min({s.n_ubatch, s.n_ctx, outputs_max});
  return s;
}

}  // namespace canirun
