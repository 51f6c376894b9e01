#include "canirun/formats/policy_file.hpp"

#include <algorithm>
#include <array>

#include "canirun/core/cache_type.hpp"
#include "canirun/core/quantities.hpp"
#include "edit_distance.hpp"
#include "read_fields.hpp"

namespace canirun {

namespace {

/// The nearest of `known`, as a hint in a message; "" when none is near.
template <typename Names>
std::string did_you_mean(std::string_view typed, const Names& known)
{
  const auto near = nearest(typed, known);
  return near.empty() ? "" : fmt::format("; did you mean '{}'?", near);
}

constexpr auto k_machine_fields =
    std::to_array<std::string_view>({"hardware", "gpu", "vram", "ram", "gpu_bandwidth", "ram_bandwidth", "cores", "no_gpu"});
constexpr auto k_rule_fields = std::to_array<std::string_view>({"models", "machines", "quant", "ctx", "parallel", "cache_type_k",
                                                                "cache_type_v", "min_grade", "min_speed", "min_ctx"});

/// "16k", 16384 or "24G": a number, or the text that the command line takes.
template <typename T>
bool read_text(FieldReader& in, const JsonNode& node, Result<T> (*parse)(std::string_view), std::optional<T>& out)
{
  std::string text;
  if (node.kind == JsonKind::whole) text = std::to_string(node.whole);
  else if (node.kind == JsonKind::string) text = node.string;
  else return in.expected(node, "a number or a string");
  auto value = parse(text);
  if (!value) return in.wrong(node, value.error().message);
  out = std::move(*value);
  return true;
}

Result<std::uint32_t> parse_positive(std::string_view text) { return parse_count(text, 1); }

/// One name, or a list of at least one.
bool read_names(FieldReader& in, const JsonNode& node, std::vector<std::string>& out)
{
  if (node.kind == JsonKind::string) out.emplace_back(node.string);
  else if (!in.read(node, out)) return false;
  if (out.empty()) return in.wrong(node, "at least one is expected");
  return std::ranges::none_of(out, &std::string::empty) || in.wrong(node, "a name is empty");
}

bool read_machine(FieldReader& in, const JsonNode& m, PolicyMachine& out)
{
  if (m.key == "hardware") return read_names(in, m, out.hardware);
  if (m.key == "gpu") return read_names(in, m, out.gpus);
  if (m.key == "vram") return read_text(in, m, parse_size, out.vram);
  if (m.key == "ram") return read_text(in, m, parse_size, out.ram);
  if (m.key == "gpu_bandwidth") return read_text(in, m, parse_bandwidth, out.gpu_bandwidth);
  if (m.key == "ram_bandwidth") return read_text(in, m, parse_bandwidth, out.ram_bandwidth);
  if (m.key == "cores") return read_text(in, m, parse_positive, out.cores);
  if (m.key == "no_gpu") return in.read(m, out.no_gpu);
  return in.wrong(m, "no machine has this field" + did_you_mean(m.key, k_machine_fields));
}

bool read_machines(FieldReader& in, const JsonNode& node, std::vector<PolicyMachine>& out)
{
  in.entry("");
  if (node.kind != JsonKind::object || node.size == 0) return in.wrong(node, "an object with a machine for each name is expected");
  const auto& doc = in.document();
  for (const auto* m = doc.first(node); m; m = doc.next(*m)) {
    auto& machine = out.emplace_back();
    machine.name = m->key;
    in.entry(fmt::format("machines.{}", m->key));
    if (m->key.empty()) return in.wrong(*m, "a machine has no name");
    if (m->kind != JsonKind::object) return in.expected(*m, "an object");
    for (const auto* field = doc.first(*m); field; field = doc.next(*field)) {
      if (!read_machine(in, *field, machine)) return false;
    }
  }
  return true;
}

bool read_quants(FieldReader& in, const JsonNode& node, std::vector<FileType>& out)
{
  std::vector<std::string> names;
  if (!read_names(in, node, names)) return false;
  std::vector<std::string_view> known;
  for (const auto t : all_file_types()) known.push_back(name(t));
  for (const auto& n : names) {
    const auto type = parse_file_type(n);
    if (!type) return in.wrong(node, fmt::format("no quantisation is called '{}'{}", n, did_you_mean(n, known)));
    out.push_back(*type);
  }
  return true;
}

bool read_cache_type(FieldReader& in, const JsonNode& node, std::optional<TensorType>& out)
{
  if (node.kind != JsonKind::string) return in.expected(node, "a string");
  out = parse_cache_type(node.string);
  return out || in.wrong(node, fmt::format("'{}' is not a cache type; choose one of {}", node.string, k_cache_type_names));
}

bool read_grade(FieldReader& in, const JsonNode& node, std::optional<Letter>& out)
{
  if (node.kind != JsonKind::string) return in.expected(node, "a grade");
  out = parse_letter(node.string);
  return out || in.wrong(node, fmt::format("'{}' is not a grade; choose one of S, A, B, C, D, F", node.string));
}

bool read_speed(FieldReader& in, const JsonNode& node, std::optional<double>& out)
{
  return in.read(node, out.emplace()) && ((*out > 0 && *out < 1e9) || in.wrong(node, "a rate above zero is expected"));
}

bool read_machine_names(FieldReader& in, const JsonNode& node, const std::vector<PolicyMachine>& machines,
                        std::vector<std::size_t>& out)
{
  std::vector<std::string> names, known;
  if (!read_names(in, node, names)) return false;
  for (const auto& m : machines) known.push_back(m.name);
  for (const auto& n : names) {
    const auto found = std::ranges::find(known, n);
    if (found == known.end()) return in.wrong(node, fmt::format("no machine is called '{}'{}", n, did_you_mean(n, known)));
    out.push_back(static_cast<std::size_t>(found - known.begin()));
  }
  return true;
}

bool read_rule(FieldReader& in, const JsonNode& m, const std::vector<PolicyMachine>& machines, PolicyRule& out)
{
  auto& r = out.requirements;
  if (m.key == "models") return read_names(in, m, out.models);
  if (m.key == "machines") return read_machine_names(in, m, machines, out.machines);
  if (m.key == "quant") return read_quants(in, m, out.quants);
  if (m.key == "ctx") return read_text(in, m, parse_tokens, out.n_ctx);
  if (m.key == "parallel") return read_text(in, m, parse_positive, out.n_seq_max);
  if (m.key == "cache_type_k") return read_cache_type(in, m, out.cache_type_k);
  if (m.key == "cache_type_v") return read_cache_type(in, m, out.cache_type_v);
  if (m.key == "min_grade") return read_grade(in, m, r.min_grade);
  if (m.key == "min_speed") return read_speed(in, m, r.min_speed);
  if (m.key == "min_ctx") return read_text(in, m, parse_tokens, r.min_ctx);
  return in.wrong(m, "no rule has this field" + did_you_mean(m.key, k_rule_fields));
}

bool read_rules(FieldReader& in, const JsonNode& node, Policy& policy)
{
  in.entry("");
  if (node.kind != JsonKind::array || node.size == 0) return in.wrong(node, "a list of at least one rule is expected");
  const auto& doc = in.document();
  for (const auto* item = doc.first(node); item; item = doc.next(*item)) {
    in.entry(fmt::format("rules[{}]", policy.rules.size()));
    auto& rule = policy.rules.emplace_back();
    if (item->kind != JsonKind::object) return in.expected(*item, "an object");
    for (const auto* m = doc.first(*item); m; m = doc.next(*m)) {
      if (!read_rule(in, *m, policy.machines, rule)) return false;
    }
    if (rule.models.empty()) return in.wrong(*item, "'models' is missing");
    if (!rule.machines.empty()) continue;
    for (std::size_t i = 0; i < policy.machines.size(); ++i) rule.machines.push_back(i);
  }
  return true;
}

}  // namespace

Result<Policy> parse_policy(std::string_view json, std::string_view file)
{
  const auto document = JsonDocument::parse(json, file);
  if (!document) return tl::unexpected(document.error());
  const auto& root = document->root();
  FieldReader in(*document);
  const auto* schema = root.kind == JsonKind::object ? document->find(root, "schema") : nullptr;
  if (!schema || schema->string != "canirun.policy/1") {
    return fail(ErrorKind::parse, fmt::format("{}: \"schema\": \"canirun.policy/1\" is expected; docs/ci.md shows a policy",
                                              document->where(schema ? *schema : root)));
  }
  Policy policy;
  for (const auto* m = document->first(root); m; m = document->next(*m)) {
    if (m->key != "schema" && m->key != "machines" && m->key != "rules") {
      constexpr std::array k_fields{std::string_view("machines"), std::string_view("rules")};
      in.wrong(*m, "no policy has this field" + did_you_mean(m->key, k_fields));
      return fail(ErrorKind::parse, in.problem());
    }
  }
  // Rules name machines, whatever stands first in the file.
  if (const auto* machines = document->find(root, "machines"); machines && !read_machines(in, *machines, policy.machines))
    return fail(ErrorKind::parse, in.problem());
  if (policy.machines.empty()) policy.machines.emplace_back();
  const auto* rules = document->find(root, "rules");
  if (!rules) return fail(ErrorKind::parse, fmt::format("{}: 'rules' is missing", document->where(root)));
  if (!read_rules(in, *rules, policy)) return fail(ErrorKind::parse, in.problem());
  return policy;
}

}  // namespace canirun
