#include "properties/sample.hpp"

#include <map>
#include <string>

#include "canirun/core/tensor_plan.hpp"
#include "catch.hpp"

namespace canirun {

const Catalogue& catalogue()
{
  static const auto all = [] {
    auto loaded = Catalogue::builtin();
    REQUIRE(loaded);
    return std::move(*loaded);
  }();
  return all;
}

const GpuTable& gpu_table()
{
  static const auto all = [] {
    auto loaded = GpuTable::builtin();
    REQUIRE(loaded);
    return std::move(*loaded);
  }();
  return all;
}

const std::vector<const CatalogueEntry*>& planned_models()
{
  static const auto all = [] {
#ifdef __SANITIZE_ADDRESS__
    constexpr int most = 2;  // sanitizers look at code, and two models of an architecture reach it
#else
    constexpr int most = 1000;
#endif
    std::vector<const CatalogueEntry*> found;
    std::map<std::string, int> of_arch;
    for (const auto& entry : catalogue().entries()) {
      if (!unplannable(entry.spec) && ++of_arch[entry.spec.arch] <= most) found.push_back(&entry);
    }
    return found;
  }();
  return all;
}

HardwareProfile draw_machine(Draw& draw)
{
  HardwareProfile machine;
  machine.cpu.model = "CPU";
  machine.cpu.usable_cores = static_cast<std::uint32_t>(1 + draw.below(64));
  machine.memory.total = Bytes{std::uint64_t{4} << (30 + draw.below(10))};
  machine.memory.available = Bytes{machine.memory.total->count / 4 * draw.below(5)};
  if (!draw.one_in(4)) machine.memory.bandwidth = Figure{20e9 + 1e9 * static_cast<double>(draw.below(400)), "B/s", "test", {}, {}};
  if (draw.one_in(8)) return machine;
  const auto entries = gpu_table().entries();
  const auto& entry = entries[draw.below(entries.size())];
  const auto gib = entry.vram_gib.empty() ? to_gib(*machine.memory.total).value : entry.vram_gib[draw.below(entry.vram_gib.size())];
  const auto gpu = to_gpu(entry, Bytes{static_cast<std::uint64_t>(gib * 1073741824.0)});
  machine.gpus.assign(entry.unified ? 1 : 1 + draw.below(3), gpu);
  if (draw.one_in(3)) {
    for (auto& g : machine.gpus) {
      g.from_table = false;
      if (g.memory_total) g.memory_free = Figure{g.memory_total->value / 2, "B", "test", {}, {}};
    }
  }
  return machine;
}

Question draw_question(Draw& draw, const ModelSpec& model)
{
  const auto cache_type = [&] {
    return draw.of({TensorType::f32, TensorType::f16, TensorType::bf16, TensorType::q8_0, TensorType::q4_0, TensorType::q5_1});
  };
  Question q;
  auto& w = q.workload;
  w.n_ctx = draw.of<std::uint32_t>({0, 0, 1, 512, 4096, 32768, model.n_ctx_train, 1U << 20U, 1U << 30U});
  w.n_ubatch = draw.of<std::uint32_t>({512, 512, 1, 64, 2048, 1U << 16U});
  w.n_batch = draw.of<std::uint32_t>({2048, 2048, 1, 512, 1U << 20U});
  w.n_seq_max = draw.of<std::uint32_t>({1, 1, 2, 64, 256});
  w.kv_unified = draw.one_in(3);
  if (draw.one_in(2)) w.cache_type_k = cache_type(), w.cache_type_v = cache_type();
  w.flash_attn = draw.of({FlashAttention::automatic, FlashAttention::on, FlashAttention::off});
  w.offload_kqv = !draw.one_in(6);
  w.swa_full = draw.one_in(4);
  w.n_outputs_max = draw.of<std::uint32_t>({0, 0, 1, 512});
  w.runtime = draw.of({Runtime::llama_cpp, Runtime::llama_server, Runtime::ollama, Runtime::lm_studio});
  if (draw.one_in(3)) w.depth = static_cast<std::int64_t>(draw.below(1U << 17U));
  if (draw.one_in(3)) q.placement.n_gpu_layers = draw.of({-1, 0, 1, 20, 100000});
  if (draw.one_in(4)) q.placement.n_cpu_moe = draw.of<std::uint32_t>({0, 3, UINT32_MAX});
  if (draw.one_in(8)) q.placement.tensor_split = {3, 1};
  q.budget = draw.one_in(3) ? BudgetKind::free : BudgetKind::capacity;
  if (draw.one_in(4)) q.reserve = Bytes{std::uint64_t{1} << (20 + draw.below(20))};
  return q;
}

}  // namespace canirun
