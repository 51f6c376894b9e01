#include "catalogue_entry.hpp"

#include <algorithm>
#include <memory>

#include "spec_check.hpp"
#include "spec_fields.hpp"

namespace canirun {

namespace {

/// A list of layers, or "all".
bool read_layers(FieldReader& in, const JsonNode& node, std::uint32_t n_layer, std::vector<std::uint32_t>& out)
{
  if (node.kind == JsonKind::string && node.string == "all") {
    out.resize(n_layer);
    for (std::uint32_t il = 0; il < n_layer; ++il) out[il] = il;
    return true;
  }
  if (node.kind != JsonKind::array) return in.expected(node, "a list of layers or \"all\"");
  return in.read(node, out);
}

bool read_member(FieldReader& in, const JsonNode& node, PerLayer<std::uint32_t>& out)
{
  if (node.kind != JsonKind::array) {
    std::uint32_t all = 0;
    if (!in.read(node, all)) return false;
    out = all;
    return true;
  }
  std::vector<std::uint32_t> each;
  if (!in.read(node, each)) return false;
  if (each.empty()) return in.wrong(node, "the list is empty");
  out = std::move(each);
  return true;
}

template <typename T>
bool read_member(FieldReader& in, const JsonNode& node, T& out)
{
  return in.read(node, out);
}

/// Reads `member` by the table. Nothing: the table has no such key.
template <typename T, std::size_t N>
std::optional<bool> read_by_table(FieldReader& in, const JsonNode& member, const std::array<Field<T>, N>& fields, T& out)
{
  for (const auto& field : fields) {
    if (field.key == member.key) {
      return std::visit([&](auto pointer) { return read_member(in, member, out.*pointer); }, field.member);
    }
  }
  return {};
}

/// Reads a whole object by its table; `special` takes the keys that the table has not, as read_by_table does.
template <typename T, std::size_t N, typename Special>
bool read_object(FieldReader& in, const JsonNode& node, const std::array<Field<T>, N>& fields, T& out, Special special)
{
  if (node.kind != JsonKind::object) return in.expected(node, "an object");
  const auto& doc = in.document();
  for (const auto* member = doc.first(node); member; member = doc.next(*member)) {
    auto done = read_by_table(in, *member, fields, out);
    if (!done) done = special(*member);
    if (!done) return in.wrong(*member, fmt::format("'{}' has no such field", node.key));
    if (!*done) return false;
  }
  return true;
}

template <typename T, std::size_t N>
bool read_object(FieldReader& in, const JsonNode& node, const std::array<Field<T>, N>& fields, T& out)
{
  return read_object(in, node, fields, out, [](const JsonNode&) { return std::optional<bool>{}; });
}

bool read_attention(FieldReader& in, const JsonNode& node, AttentionSpec& out)
{
  return read_object(in, node, k_attention_fields, out, [&](const JsonNode& member) -> std::optional<bool> {
    if (member.key == "qk_norm") return in.read_enum(member, k_qk_norm_names, out.qk_norm);
    if (member.key == "out_gate") return in.read_enum(member, k_out_gate_names, out.out_gate);
    return {};
  });
}

bool read_ssm(FieldReader& in, const JsonNode& node, SsmSpec& out)
{
  return read_object(in, node, k_ssm_fields, out, [&](const JsonNode& member) -> std::optional<bool> {
    if (member.key == "kind") return in.read_enum(member, k_ssm_kind_names, out.kind);
    return {};
  });
}

/// {"window": 4096, "global_layers": [1, 3]}: every other layer slides.
bool read_swa(FieldReader& in, const JsonNode& node, std::uint32_t n_layer, SwaSpec& out)
{
  constexpr std::array<Field<SwaSpec>, 2> k_fields{{{"window", &SwaSpec::window}, {"chunked", &SwaSpec::chunked}}};
  out.local.assign(n_layer, true);
  return read_object(in, node, k_fields, out, [&](const JsonNode& member) -> std::optional<bool> {
    if (member.key != "global_layers") return {};
    std::vector<std::uint32_t> global;
    if (!read_layers(in, member, n_layer, global)) return false;
    for (const auto il : global) {
      if (il >= n_layer) return in.wrong(member, fmt::format("layer {} does not exist, there are {}", il, n_layer));
      out.local[il] = false;
    }
    return true;
  });
}

bool read_component(FieldReader& in, const JsonNode& node, Component& out)
{
  if (node.kind != JsonKind::object) return in.expected(node, "an object");
  const auto& doc = in.document();
  for (const auto* m = doc.first(node); m; m = doc.next(*m)) {
    const bool done = m->key == "role"        ? in.read(*m, out.role)
                      : m->key == "name"      ? in.read(*m, out.name)
                      : m->key == "params"    ? in.read(*m, out.n_params)
                      : m->key == "precision" ? in.read_enum(*m, k_precision_names, out.precision)
                                              : in.wrong(*m, "a component has no such field");
    if (!done) return false;
  }
  return true;
}

template <std::size_t N>
bool read_array(FieldReader& in, const JsonNode& node, std::array<std::uint32_t, N>& out)
{
  std::vector<std::uint32_t> values;
  if (!in.read(node, values)) return false;
  if (values.size() != N) return in.wrong(node, fmt::format("a list of {} numbers is expected", N));
  std::ranges::copy(values, out.begin());
  return true;
}

bool read_latent(FieldReader& in, const JsonNode& node, Latent& out)
{
  return read_object(in, node, k_latent_fields, out, [&](const JsonNode& member) -> std::optional<bool> {
    if (member.key == "patch") return read_array(in, member, out.patch);
    return {};
  });
}

bool read_file_type(FieldReader& in, const JsonNode& node, std::optional<FileType>& out)
{
  if (node.kind != JsonKind::string) return in.expected(node, "a string");
  out = parse_file_type(node.string);
  return out || in.wrong(node, fmt::format("'{}' is not a file type of llama-quantize", node.string));
}

/// A list of objects, each read by `read_one`.
template <typename T, typename ReadOne>
bool read_list(FieldReader& in, const JsonNode& node, std::vector<T>& out, ReadOne read_one)
{
  if (node.kind != JsonKind::array) return in.expected(node, "a list");
  for (const auto* item = in.document().first(node); item; item = in.document().next(*item)) {
    if (!read_one(in, *item, out.emplace_back())) return false;
  }
  return true;
}

/// The keys of image, video and audio models. Nothing: there is no such key.
std::optional<bool> read_media(FieldReader& in, const JsonNode& m, ModelSpec& spec)
{
  const auto media = [&]() -> MediaSpec& {
    if (!spec.media) spec.media = std::make_shared<MediaSpec>();
    return *spec.media;
  };
  const auto key = m.key;
  if (key == "whisper") return read_object(in, m, k_whisper_fields, media().whisper.emplace());
  if (key == "native_resolution") return read_array(in, m, media().native_resolution);
  if (key == "latent") return read_latent(in, m, media().latent.emplace());
  if (key == "denoiser") return read_object(in, m, k_denoiser_fields, media().denoiser.emplace());
  if (key == "sampling") return read_object(in, m, k_sampling_fields, media().sampling.emplace());
  if (key == "tokens_per_second") return in.read(m, media().tokens_per_second);
  if (key == "components") return read_list(in, m, media().components, read_component);
  return {};
}

/// The keys that are not plain members of ModelSpec. Nothing: there is no such key.
std::optional<bool> read_special(FieldReader& in, const JsonNode& m, CatalogueEntry& e)
{
  auto& s = e.spec;
  const auto key = m.key;
  if (key == "id") return in.read(m, s.id);
  if (key == "name") return in.read(m, s.name);
  if (key == "aliases") return in.read(m, e.aliases);
  if (key == "kind") return in.read_enum(m, k_kind_names, s.kind);
  if (key == "family") return in.read(m, e.facts.family);
  if (key == "provider") return in.read(m, e.facts.provider);
  if (key == "release") return in.read(m, e.facts.release);
  if (key == "license") return in.read(m, e.facts.license);
  if (key == "tasks") return in.read(m, e.facts.tasks);
  if (key == "input") return in.read(m, e.input);
  if (key == "hf_repo") return in.read(m, e.facts.hf_repo);
  if (key == "diffusers_repo") return in.read(m, e.facts.diffusers_repo);
  if (key == "ollama") return in.read(m, e.facts.ollama);
  if (key == "supersedes") return in.read(m, e.supersedes);
  if (key == "arch") return in.read(m, s.arch);
  if (key == "pooling") return in.read_enum(m, k_pooling_names, s.pooling);
  if (key == "recurrent_layers") return read_layers(in, m, s.n_layer, s.recurrent_layers);
  if (key == "attn") return read_attention(in, m, s.attn);
  if (key == "moe") return read_object(in, m, k_moe_fields, s.moe.emplace());
  if (key == "swa") return read_swa(in, m, s.n_layer, s.swa.emplace());
  if (key == "mla") return read_object(in, m, k_mla_fields, s.mla.emplace());
  if (key == "ssm") return read_ssm(in, m, s.ssm.emplace());
  if (key == "per_layer_embd") return read_object(in, m, k_per_layer_embd_fields, s.per_layer_embd.emplace());
  if (key == "dsv4") return read_object(in, m, k_dsv4_fields, s.dsv4.emplace());
  if (key == "sparse") return read_object(in, m, k_sparse_fields, s.sparse.emplace());
  if (key == "native_type") return read_file_type(in, m, s.native_type);
  if (auto done = read_media(in, m, s)) return done;
  if (key == "confidence") return in.read_enum(m, k_confidence_names, e.confidence);
  if (key == "sources") return in.read(m, e.sources);
  if (key == "notes") return in.read(m, e.notes);
  if (key == "checked") return in.read(m, e.checked);
  return {};
}

}  // namespace

bool read_entry(FieldReader& in, const JsonNode& node, CatalogueEntry& entry)
{
  in.entry("");
  if (node.kind != JsonKind::object) return in.expected(node, "an object for each model");
  const auto& doc = in.document();
  if (const auto* id = doc.find(node, "id"); id && id->kind == JsonKind::string) in.entry(id->string);
  // Lists of layers are checked against n_layer, which may stand after them.
  if (const auto* n = doc.find(node, "n_layer"); n && !in.read(*n, entry.spec.n_layer)) return false;
  if (entry.spec.n_layer > k_max_layers)
    return in.wrong(node, fmt::format("n_layer: {} layers are too many", entry.spec.n_layer));

  for (const auto* member = doc.first(node); member; member = doc.next(*member)) {
    auto done = read_special(in, *member, entry);
    if (!done) done = read_by_table(in, *member, k_spec_fields, entry.spec);
    if (!done) return in.wrong(*member, "a model has no such field");
    if (!*done) return false;
  }
  if (fold(entry.spec.id).empty()) return in.wrong(node, "'id' is missing");
  if (entry.spec.name.empty()) entry.spec.name = entry.spec.id;
  complete(entry.spec);
  if (const auto problem = invalid(entry.spec)) return in.wrong(node, *problem);
  return true;
}

}  // namespace canirun
