#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "catalogue_entry.hpp"
#include "spec_fields.hpp"

namespace canirun {

namespace {

std::string json_text(std::string_view text)
{
  // A name that is not UTF-8 is written with replacement characters instead of failing.
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}
std::string json_text(const std::string& text) { return json_text(std::string_view(text)); }
std::string json_text(bool value) { return value ? "true" : "false"; }
template <std::unsigned_integral T>
std::string json_text(T value)
{
  return fmt::format("{}", value);
}
template <typename T>
std::string json_text(const std::vector<T>& values)
{
  std::string out = "[";
  for (const auto& value : values) out += (out.size() > 1 ? ", " : "") + json_text(value);
  return out + "]";
}
std::string json_text(const PerLayer<std::uint32_t>& value)
{
  return value.varies() ? json_text(value.each()) : json_text(value(0));
}

/// "{"a": 1, "b": 2}" on one line; what equals its default is left out.
class InlineObject {
 public:
  void add(std::string_view key, const std::string& value)
  {
    text_ += fmt::format("{}\"{}\": {}", text_.empty() ? "" : ", ", key, value);
  }
  template <typename T, std::size_t N>
  void add_fields(const std::array<Field<T>, N>& fields, const T& object)
  {
    static const T defaults{};
    for (const auto& field : fields) {
      std::visit(
          [&](auto member) {
            if (!(object.*member == defaults.*member)) add(field.key, json_text(object.*member));
          },
          field.member);
    }
  }
  bool empty() const { return text_.empty(); }
  std::string text() const { return "{" + text_ + "}"; }

 private:
  std::string text_;
};

/// One key a line; lists of sentences one a line too.
class EntryWriter {
 public:
  void line(std::string_view key, const std::string& value)
  {
    text_ += fmt::format("{}\n      \"{}\": {}", text_.empty() ? "" : ",", key, value);
  }
  void text(std::string_view key, const std::string& value)
  {
    if (!value.empty()) line(key, json_text(value));
  }
  void block(std::string_view key, const std::vector<std::string>& items)
  {
    if (!items.empty()) line(key, fmt::format("[\n        {}\n      ]", fmt::join(items, ",\n        ")));
  }
  template <typename T, std::size_t N>
  void object(std::string_view key, const std::array<Field<T>, N>& fields, const std::optional<T>& object)
  {
    if (!object) return;
    InlineObject out;
    out.add_fields(fields, *object);
    line(key, out.text());
  }
  std::string finish() const { return "    {" + text_ + "\n    }"; }

 private:
  std::string text_;
};

std::string attention_text(const AttentionSpec& attention)
{
  InlineObject out;
  if (attention.qk_norm != QkNorm::none)
    out.add("qk_norm", json_text(k_qk_norm_names[static_cast<std::size_t>(attention.qk_norm)]));
  out.add_fields(k_attention_fields, attention);
  if (attention.out_gate != OutGate::none)
    out.add("out_gate", json_text(k_out_gate_names[static_cast<std::size_t>(attention.out_gate)]));
  return out.empty() ? "" : out.text();
}

std::string swa_text(const SwaSpec& swa)
{
  std::vector<std::uint32_t> global;
  for (std::uint32_t il = 0; il < swa.local.size(); ++il) {
    if (!swa.local[il]) global.push_back(il);
  }
  InlineObject out;
  out.add("window", json_text(swa.window));
  if (swa.chunked) out.add("chunked", "true");
  out.add("global_layers", json_text(global));
  return out.text();
}

std::string ssm_text(const SsmSpec& ssm)
{
  InlineObject out;
  out.add("kind", json_text(k_ssm_kind_names[static_cast<std::size_t>(ssm.kind)]));
  out.add_fields(k_ssm_fields, ssm);
  return out.text();
}

/// The shapes of a model that llama.cpp runs.
void write_shape(EntryWriter& out, const ModelSpec& s)
{
  const ModelSpec defaults{};
  for (const auto& field : k_spec_fields) {
    std::visit(
        [&](auto member) {
          // The two that follow from head_dim_k and n_rot are said only where they differ; tied_embeddings always.
          const bool implied = (field.key == "n_rot" && s.n_rot == s.head_dim_k) ||
                               (field.key == "n_rot_swa" && s.n_rot_swa == s.n_rot) ||
                               (field.key == "head_dim_k_swa" && s.head_dim_k_swa == s.head_dim_k) ||
                               (field.key == "head_dim_v_swa" && s.head_dim_v_swa == s.head_dim_v);
          const bool said = !(s.*member == defaults.*member) || field.key == "tied_embeddings" || field.key == "n_head_kv" ||
                            field.key == "n_head";
          if (said && !implied) out.line(field.key, json_text(s.*member));
        },
        field.member);
  }
  if (s.pooling != Pooling::none) out.line("pooling", json_text(k_pooling_names[static_cast<std::size_t>(s.pooling)]));
  if (!s.recurrent_layers.empty()) {
    out.line("recurrent_layers", s.recurrent_layers.size() == s.n_layer ? "\"all\"" : json_text(s.recurrent_layers));
  }
  if (const auto attention = attention_text(s.attn); !attention.empty()) out.line("attn", attention);
  out.object("moe", k_moe_fields, s.moe);
  if (s.swa) out.line("swa", swa_text(*s.swa));
  out.object("mla", k_mla_fields, s.mla);
  if (s.ssm) out.line("ssm", ssm_text(*s.ssm));
  out.object("per_layer_embd", k_per_layer_embd_fields, s.per_layer_embd);
  out.object("dsv4", k_dsv4_fields, s.dsv4);
  out.object("sparse", k_sparse_fields, s.sparse);
  if (s.native_type) out.line("native_type", json_text(name(*s.native_type)));
}

void write_media(EntryWriter& out, const MediaSpec& media)
{
  const auto& size = media.native_resolution;
  if (size[0]) out.line("native_resolution", fmt::format("[{}, {}]", size[0], size[1]));
  if (media.latent) {
    InlineObject latent;
    latent.add_fields(k_latent_fields, *media.latent);
    if (media.latent->patch != Latent{}.patch) latent.add("patch", fmt::format("[{}]", fmt::join(media.latent->patch, ", ")));
    out.line("latent", latent.text());
  }
  out.object("denoiser", k_denoiser_fields, media.denoiser);
  out.object("sampling", k_sampling_fields, media.sampling);
  out.object("whisper", k_whisper_fields, media.whisper);
  if (media.tokens_per_second > 0) out.line("tokens_per_second", fmt::format("{}", media.tokens_per_second));
  std::vector<std::string> components;
  for (const auto& c : media.components) {
    components.push_back(fmt::format("{{\"role\": {}, \"name\": {}, \"params\": {}, \"precision\": {}}}", json_text(c.role),
                                     json_text(c.name), c.n_params,
                                     json_text(k_precision_names[static_cast<std::size_t>(c.precision)])));
  }
  out.block("components", components);
}

}  // namespace

std::string to_catalogue_json(const CatalogueEntry& e)
{
  EntryWriter out;
  out.line("id", json_text(e.spec.id));
  out.line("name", json_text(e.spec.name));
  out.line("aliases", json_text(e.aliases));
  out.line("kind", json_text(k_kind_names[static_cast<std::size_t>(e.spec.kind)]));
  out.text("family", e.facts.family);
  out.text("provider", e.facts.provider);
  out.text("release", e.facts.release);
  out.text("license", e.facts.license);
  out.line("tasks", json_text(e.facts.tasks));
  if (!e.input.empty()) out.line("input", json_text(e.input));
  out.text("hf_repo", e.facts.hf_repo);
  out.text("diffusers_repo", e.facts.diffusers_repo);
  out.text("ollama", e.facts.ollama);
  out.text("supersedes", e.supersedes);
  out.text("arch", e.spec.arch);
  if (e.spec.n_layer > 0 || e.spec.n_embd > 0) {
    write_shape(out, e.spec);
  } else {
    out.line("n_params", json_text(e.spec.n_params));
  }
  if (e.spec.media) write_media(out, *e.spec.media);
  out.line("confidence", json_text(k_confidence_names[static_cast<std::size_t>(e.confidence)]));
  std::vector<std::string> sources;
  for (const auto& source : e.sources) sources.push_back(json_text(source));
  out.block("sources", sources);
  out.text("notes", e.notes);
  out.text("checked", e.checked);
  return out.finish();
}

CatalogueEntry import_entry(ModelSpec spec, std::string_view source)
{
  CatalogueEntry entry;
  spec.tensors.clear();
  spec.file_type.reset();
  spec.file_bytes = 0;
  entry.facts.tasks = {spec.kind == ModelKind::embedding ? "embedding" : "chat"};
  entry.input = {"text"};
  entry.confidence = Confidence::derived;
  entry.sources = {std::string(source)};
  entry.notes = "imported; add family, provider, release, license and hf_repo, and compare n_params with the published total";
  entry.spec = std::move(spec);
  return entry;
}

}  // namespace canirun
