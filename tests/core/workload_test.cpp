#include "canirun/core/workload.hpp"

#include "canirun/core/model.hpp"
#include "catch.hpp"

using namespace canirun;

namespace {

ModelSpec model(std::uint32_t n_ctx_train)
{
  ModelSpec m;
  m.n_ctx_train = n_ctx_train;
  return m;
}

}  // namespace

TEST_CASE("a context is padded to 256 cells and batches are clamped to what was asked", "[workload]")
{
  Workload w;
  w.n_ctx = 300;
  const auto s = resolve(w, model(4096));
  CHECK(s.n_ctx == 512);
  CHECK(s.n_ctx_seq == 512);
  CHECK(s.n_batch == 300);  // llama-context.cpp clamps n_batch before it pads n_ctx
  CHECK(s.n_ubatch == 300);
  CHECK(s.n_outputs == 300);
}

TEST_CASE("without a context the trained one counts, up to 8192", "[workload]")
{
  CHECK(resolve({}, model(2048)).n_ctx == 2048);
  CHECK(resolve({}, model(131072)).n_ctx == 8192);
  CHECK(resolve({}, model(0)).n_ctx == 8192);
}

TEST_CASE("sequences share a unified cache and have a padded part each otherwise", "[workload]")
{
  Workload w;
  w.n_ctx = 4096;
  w.n_seq_max = 3;
  auto s = resolve(w, model(4096));
  CHECK(s.n_stream == 3);
  CHECK(s.n_ctx_seq == 1536);  // 4096 / 3 = 1365, padded
  CHECK(s.n_ctx == 4608);
  w.kv_unified = true;
  s = resolve(w, model(4096));
  CHECK(s.n_stream == 1);
  CHECK(s.n_ctx_seq == 4096);
}

TEST_CASE("logits are kept for a whole micro-batch unless the runtime asks for fewer", "[workload]")
{
  Workload w;
  w.n_ctx = 4096;
  CHECK(resolve(w, model(4096)).n_outputs == 512);
  w.n_outputs_max = 1;
  CHECK(resolve(w, model(4096)).n_outputs == 1);
  w.n_outputs_max = 0;
  w.runtime = Runtime::llama_server;
  w.n_seq_max = 4;
  CHECK(resolve(w, model(4096)).n_outputs == 4);
}

TEST_CASE("absurd requests are resolved without overflow", "[workload]")
{
  Workload w;
  w.n_ctx = 4'294'967'295u;
  w.n_seq_max = 100'000;
  w.n_batch = 0;
  w.n_ubatch = 0;
  const auto s = resolve(w, model(4096));
  CHECK(s.n_ubatch == 1);
  CHECK(s.n_ctx_seq >= 256);
  w.n_ctx = 1;
  CHECK(resolve(w, model(4096)).n_ctx_seq == 256);
}
