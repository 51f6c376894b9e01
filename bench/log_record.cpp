#include "log_record.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

namespace canirun {
namespace {

using Json = nlohmann::json;

template <typename T>
std::optional<T> get(const Json& json, const char* key)
{
  const auto it = json.find(key);
  if (it == json.end() || it->is_null()) return std::nullopt;
  if constexpr (std::is_same_v<T, std::string>) {
    return it->is_string() ? std::optional(it->template get<T>()) : std::nullopt;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (it->is_string()) return it->template get<std::string>() == "true";
    return it->is_boolean() ? std::optional(it->template get<bool>()) : std::nullopt;
  } else {
    return it->is_number() ? std::optional(it->template get<T>()) : std::nullopt;
  }
}

/// The backend of a buffer's name ("CUDA0", "MTL0_Mapped", "RPC[...]"); cpu for host buffers, pinned ones included.
Backend backend_of(std::string_view buffer)
{
  if (buffer.starts_with("CPU") || buffer.find("_Host") != std::string_view::npos || buffer == "host") return Backend::cpu;
  if (buffer.starts_with("CUDA") || buffer == "GPU") return Backend::cuda;
  if (buffer.starts_with("ROCm")) return Backend::rocm;
  if (buffer.starts_with("MTL") || buffer.starts_with("Metal")) return Backend::metal;
  return Backend::vulkan;
}

/// llama.cpp's own words for file types: "Q4_K - Medium" is Q4_K_M (llama-model-loader.cpp: llama_model_ftype_name).
std::optional<FileType> printed_file_type(std::string text)
{
  if (const auto at = text.find(" - "); at != std::string::npos) {
    const auto size = text.at(at + 3);
    text = text.substr(0, at);
    if (size == 'S' || size == 'M' || size == 'L') text += std::string("_") + size;
  } else if (const auto space = text.find(' '); space != std::string::npos) {
    text = text.substr(0, space);
  }
  if (text == "Q2_K" || text == "Q6_K" || text.find("_K") == std::string::npos || text.size() > 4) return parse_file_type(text);
  return std::nullopt;
}

/// A file type that stands in a name as a word of its own.
std::optional<FileType> file_type_in(std::string_view name)
{
  std::string word;
  std::optional<FileType> found;
  const auto end = [&] {
    if (word.size() >= 3 && (word[0] == 'Q' || word[0] == 'I' || word[0] == 'B' || word[0] == 'F' || word[0] == 'M')) {
      if (const auto type = parse_file_type(word)) found = type;
    }
    word.clear();
  };
  for (const auto c : name) {
    const auto u = static_cast<unsigned char>(c);
    if (std::isalnum(u) || c == '_') word += static_cast<char>(std::toupper(u));
    else end();
  }
  end();
  return found;
}

/// Entries whose shape is the one that the log prints.
const CatalogueEntry* by_shape(const Catalogue& catalogue, const std::string& arch, const Json& h)
{
  const auto n_layer = get<std::uint32_t>(h, "n_layer"), n_embd = get<std::uint32_t>(h, "n_embd");
  if (!n_layer || !n_embd || arch.empty()) return nullptr;
  for (const auto& e : catalogue.entries()) {
    const auto& s = e.spec;
    if (s.arch != arch || s.n_embd != *n_embd) continue;
    if (s.n_layer != *n_layer && s.n_layer + s.n_layer_nextn != *n_layer) continue;
    if (const auto v = get<std::uint32_t>(h, "n_vocab"); v && s.n_vocab != *v) continue;
    if (const auto x = get<std::uint32_t>(h, "n_expert"); x && s.moe && s.moe->n_expert != *x) continue;
    if (const auto f = get<std::uint32_t>(h, "n_ff"); f && *f && !s.moe && s.n_ff(0) != *f) continue;
    return &e;
  }
  return nullptr;
}

const CatalogueEntry* by_name(const Catalogue& catalogue, std::string name)
{
  if (const auto slash = name.rfind('/'); slash != std::string::npos) name = name.substr(slash + 1);
  if (const auto bracket = name.find(" ("); bracket != std::string::npos) name = name.substr(0, bracket);
  if (const auto colon = name.find(':'); colon != std::string::npos) name = name.substr(0, colon);
  if (name.ends_with(".gguf")) name.resize(name.size() - 5);
  for (;;) {  // a name of a published variant ends in words of its own
    if (const auto* entry = catalogue.find(name)) return entry;
    const auto cut = name.find_last_of("-_. ");
    if (cut == std::string::npos || cut < 4) return nullptr;
    name.resize(cut);
    if (!std::ranges::any_of(name, [](unsigned char c) { return std::isdigit(c) != 0; })) return nullptr;
  }
}

/// Latent attention has one key head in the catalogue; a file without key_length_mla caches every head, and its log prints them.
ModelSpec with_printed_heads(ModelSpec spec, const Json& h)
{
  const auto n_head_kv = get<std::uint32_t>(h, "n_head_kv");
  const auto k = get<std::uint32_t>(h, "n_embd_head_k"), v = get<std::uint32_t>(h, "n_embd_head_v");
  if (!spec.is_mla() || !n_head_kv || *n_head_kv <= 1 || !k || !v) return spec;
  spec.n_head_kv = *n_head_kv;
  spec.head_dim_k = spec.head_dim_k_swa = *k;
  spec.head_dim_v = spec.head_dim_v_swa = *v;
  return spec;
}

LogRecord::Sums sums(const Json& json, const char* key)
{
  LogRecord::Sums s;
  const auto it = json.find(key);
  if (it == json.end() || !it->is_object()) return s;
  for (const auto& [buffer, mib] : it->items()) {
    if (!mib.is_number()) continue;
    auto& sum = backend_of(buffer) == Backend::cpu ? s.host : s.gpu;
    sum = sum.value_or(0) + mib.get<double>();
  }
  return s;
}

void read_devices(LogRecord& r, const Json& json)
{
  std::set<std::string> names;
  for (const auto* key : {"model_mib", "kv_mib", "compute_mib"}) {
    if (!json.contains(key) || !json.at(key).is_object()) continue;
    for (const auto& [buffer, mib] : json.at(key).items()) {
      const auto backend = backend_of(buffer);
      if (backend == Backend::cpu) continue;
      r.backend = backend;
      r.other_backend = r.other_backend || buffer.starts_with("RPC") || buffer.starts_with("HTP");
      r.mapped_range = r.mapped_range || buffer.ends_with("_Mapped");
      names.insert(buffer.substr(0, buffer.find('_')));
    }
  }
  r.n_gpus = names.size();
}

void read_workload(LogRecord& r, const Json& json, const std::string& cmd)
{
  auto& w = r.workload;
  r.n_ctx_known = get<std::uint32_t>(json, "n_ctx").has_value();
  w.n_ctx = get<std::uint32_t>(json, "n_ctx").value_or(0);
  w.n_batch = get<std::uint32_t>(json, "n_batch").value_or(2048);
  w.n_ubatch = get<std::uint32_t>(json, "n_ubatch").value_or(512);
  r.n_ubatch_known = get<std::uint32_t>(json, "n_ubatch").has_value() || cmd.find(" -m ") != std::string::npos;
  w.n_seq_max = get<std::uint32_t>(json, "n_seq_max").value_or(1);
  w.kv_unified = get<bool>(json, "kv_unified").value_or(false);
  w.cache_type_k = parse_tensor_type(get<std::string>(json, "type_k").value_or("f16")).value_or(TensorType::f16);
  w.cache_type_v = parse_tensor_type(get<std::string>(json, "type_v").value_or("f16")).value_or(TensorType::f16);
  const auto fa = get<std::string>(json, "flash_attn").value_or("");
  if (fa == "1" || fa.ends_with("enabled")) w.flash_attn = FlashAttention::on;
  if (fa == "0" || fa.ends_with("disabled")) w.flash_attn = FlashAttention::off;
  w.swa_full = cmd.find("--swa-full") != std::string::npos;
  w.offload_kqv = cmd.find("--no-kv-offload") == std::string::npos && cmd.find("-nkvo") == std::string::npos;
  if (r.engine.starts_with("ollama")) w.runtime = Runtime::ollama;
  if (r.engine.starts_with("LM Studio")) w.runtime = Runtime::lm_studio;
  // llama.cpp printed flash_attn as a number until 2025-09; the rule for layers changed in 2025-12.
  // Until then flash attention was off unless asked for.
  const auto date = get<std::string>(json, "date").value_or("");
  if (fa.empty() && !date.empty() && date < "2025-09") w.flash_attn = FlashAttention::off;
  r.older_placement = (!date.empty() && date < "2025-12") || fa == "0" || fa == "1" || w.runtime != Runtime::llama_cpp;
}

/// The printed cells of a sliding-window cache are its windows and one micro-batch (sliding_cells), where that one is not printed.
void micro_batch_from(LogRecord& r, std::uint32_t cells)
{
  if (r.n_ubatch_known || !r.spec.swa || r.workload.swa_full || cells >= r.workload.n_ctx) return;
  const auto windows = r.spec.swa->window * (r.workload.kv_unified ? r.workload.n_seq_max : 1);
  if (cells <= windows || cells - windows > r.workload.n_batch) return;
  r.workload.n_ubatch = cells - windows;
  r.n_ubatch_known = true;
}

}  // namespace

bool LogRecord::mainline() const
{
  return (engine.starts_with("llama.cpp") && engine.find("fork") == std::string::npos &&
          engine.find("2024") == std::string::npos) ||
         engine.starts_with("ollama") || engine.starts_with("LM Studio");
}

std::optional<LogRecord> parse_log_record(std::string_view line, const Catalogue& catalogue)
{
  const auto json = Json::parse(line, nullptr, false);
  if (!json.is_object() || !json.contains("id")) return std::nullopt;
  const auto marked = [&](const char* key) { return json.contains(key) && !json.at(key).is_null() && json.at(key) != false; };
  if (marked("suspect") || marked("duplicate_of")) return std::nullopt;
  LogRecord r;
  r.id = get<std::string>(json, "id").value_or("");
  r.engine = get<std::string>(json, "engine").value_or("");
  r.model = get<std::string>(json, "model").value_or("");
  const auto file = get<std::string>(json, "model_file").value_or("");
  const auto cmd = get<std::string>(json, "cmd").value_or("");
  const auto names = r.model + " " + file;
  if (json.contains("devices") && json.at("devices").is_array()) r.devices = json.at("devices").get<std::vector<std::string>>();

  const auto h = json.contains("hparams") && json.at("hparams").is_object() ? json.at("hparams") : Json::object();
  const auto arch = get<std::string>(json, "arch").value_or("");
  r.entry = by_name(catalogue, r.model);
  if (r.entry && !arch.empty() && get<std::uint32_t>(h, "n_embd").value_or(r.entry->spec.n_embd) != r.entry->spec.n_embd)
    r.entry = nullptr;
  if (!r.entry) r.entry = by_shape(catalogue, arch, h);

  if (const auto printed = get<std::string>(json, "file_type")) r.file_type = printed_file_type(*printed);
  if (const auto named = file_type_in(names)) r.file_type = named;
  const auto lower_has = [&](std::string_view word) {
    return std::ranges::search(names, word, [](char a, char b) {
             return std::tolower(static_cast<unsigned char>(a)) == b;
           }).begin() != names.end();
  };
  r.own_mix = lower_has("-ud-") || lower_has("_xl") || lower_has("unsloth") || lower_has("k_xl");
  r.file_gib = get<double>(json, "file_size_gib").value_or(0);

  for (const auto* flag : {"-ot ", "--override-tensor", "--cpu-moe", "-cmoe", "-ncmoe", "--n-cpu-moe"})
    r.overrides = r.overrides || cmd.find(flag) != std::string::npos;
  r.overrides = r.overrides || get<std::string>(json, "note").value_or("").find("-ot") != std::string::npos;
  if (json.contains("offloaded") && json.at("offloaded").is_array() && json.at("offloaded").size() == 2 &&
      json.at("offloaded")[0].is_number()) {
    r.offloaded = json.at("offloaded")[0].get<std::uint32_t>();
    r.offloadable = json.at("offloaded")[1].get<std::uint32_t>();
  }
  read_workload(r, json, cmd);
  read_devices(r, json);
  r.drafts = lower_has("mtp") || lower_has("dflash") || cmd.find("--spec") != std::string::npos;
  if (r.entry) r.spec = with_printed_heads(r.entry->spec, h);
  r.weights = sums(json, "model_mib");
  r.kv = sums(json, "kv_mib");
  r.state = sums(json, "rs_mib");
  r.compute = sums(json, "compute_mib");
  if (json.contains("kv_detail") && json.at("kv_detail").is_array()) {
    for (const auto& part : json.at("kv_detail")) {
      if (!part.contains("swa")) continue;
      if (part.at("swa").is_string() && part.at("swa") == "full-size") r.workload.swa_full = true;
      if (part.at("swa") == true && r.entry) micro_batch_from(r, get<std::uint32_t>(part, "cells").value_or(0));
    }
  }
  r.oom = json.contains("oom") && json.at("oom").is_array() && !json.at("oom").empty();
  return r;
}

}  // namespace canirun
