#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "canirun/core/memory.hpp"

/// \file
/// One recorded configuration: what llama.cpp allocated for a model with certain options (tests/data/allocations.md).

namespace canirun {

struct AllocationRecord {
  std::string model;
  std::string arch;
  FileType file_type = FileType::Q4_K_M;
  Workload workload;
  Backend backend = Backend::cpu;
  std::size_t n_gpus = 0;
  std::uint32_t n_gpu_layers = 0;
  bool experts_in_ram = false;
  bool flash_attn = true;  ///< What it was in the end.
  std::vector<MemoryParts> gpus;
  MemoryParts host;
};

/// The record of a line, or nothing where llama.cpp refused the configuration or the line is none.
inline std::optional<AllocationRecord> parse_allocation_record(std::string_view line)
{
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object() || json.contains("error") || !json.contains("compute_bytes")) return std::nullopt;
  AllocationRecord r;
  r.model = json.at("model").get<std::string>();
  r.arch = json.at("arch").get<std::string>();
  const auto type = parse_file_type(json.at("file_type").get<std::string>());
  if (!type) return std::nullopt;
  r.file_type = *type;
  auto& w = r.workload;
  w.n_ctx = json.at("n_ctx_req").get<std::uint32_t>();
  w.n_batch = json.value("n_batch", 2048u);
  w.n_ubatch = json.value("n_ubatch", 512u);
  w.n_seq_max = json.value("n_seq_max", 1u);
  w.kv_unified = json.value("kv_unified", false);
  w.n_outputs_max = json.value("n_outputs_max", 0u);
  w.cache_type_k = parse_tensor_type(json.value("type_k", "f16")).value_or(TensorType::f16);
  w.cache_type_v = parse_tensor_type(json.value("type_v", "f16")).value_or(TensorType::f16);
  w.flash_attn = parse_flash_attention(json.value("fa_req", "auto")).value_or(FlashAttention::automatic);
  w.offload_kqv = json.value("offload_kqv", true);
  w.swa_full = json.value("swa_full", false);
  w.embeddings = json.value("embeddings", false);
  r.flash_attn = json.value("flash_attn", true);
  r.n_gpu_layers = json.value("ngl", 0u);
  r.experts_in_ram = !json.value("ot", "").empty();

  const auto devices = json.at("devs").get<std::string>();
  if (devices != "none") {
    r.n_gpus = 1;
    for (const auto c : devices) r.n_gpus += c == ',';
    r.backend = devices.starts_with("Vulkan") ? Backend::vulkan : Backend::cuda;
  }
  r.gpus.resize(r.n_gpus);
  const auto read = [&](const char* key, Bytes MemoryParts::*part) {
    if (!json.contains(key)) return;
    for (const auto& [buffer, bytes] : json.at(key).items()) {
      const auto digit = buffer.find_last_not_of("0123456789") + 1;
      const bool gpu = digit < buffer.size() && (buffer.starts_with("CUDA") || buffer.starts_with("Vulkan"));
      auto& parts = gpu ? r.gpus.at(std::stoul(buffer.substr(digit))) : r.host;
      parts.*part += Bytes{bytes.get<std::uint64_t>()};
    }
  };
  read("model_bytes", &MemoryParts::weights);
  read("kv_bytes", &MemoryParts::kv_cache);
  read("recurrent_bytes", &MemoryParts::recurrent_state);
  read("compute_bytes", &MemoryParts::compute);
  r.host.output = {json.value("output_bytes", std::uint64_t{0})};
  return r;
}

/// The placement that the record states: equal cards, as many layers as it says.
inline Placement placement_of(const AllocationRecord& r, const ModelSpec& model)
{
  Placement p;
  p.backend = r.backend;
  p.n_layers = model.n_layer + model.n_layer_nextn;
  p.n_gpu_layers = r.n_gpus ? std::min(r.n_gpu_layers, p.n_layers + 1) : 0;
  p.n_cpu_moe = r.experts_in_ram ? UINT32_MAX : 0;
  for (std::size_t i = 0; i < r.n_gpus; ++i) {
    p.gpus.push_back(i);
    p.split.push_back(1.0 / static_cast<double>(r.n_gpus));
  }
  p.mode = r.n_gpus == 0                                     ? Placement::Mode::cpu
           : p.n_gpu_layers > p.n_layers && p.n_cpu_moe == 0 ? Placement::Mode::gpu
                                                             : Placement::Mode::split;
  return p;
}

}  // namespace canirun
