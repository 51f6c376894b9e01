#include "canirun/formats/profile.hpp"

#include <array>
#include <cmath>

#include "read_fields.hpp"

namespace canirun {

namespace {

// The position is the value of the enumerator; core/hardware_json.cpp writes the same names.
constexpr auto k_confidences = std::to_array<std::string_view>({"reported", "derived", "table", "measured", "assumed"});
constexpr auto k_gpu_types = std::to_array<std::string_view>({"discrete", "integrated", "virtual", "cpu"});

/// Beyond these a value is a mistake in the file, not a machine: 2^53 is exact in JSON readers everywhere.
constexpr double k_max_bytes = 9007199254740992.0;
constexpr double k_max_rate = 1e18;

bool is_null(const JsonNode& node) { return node.kind == JsonKind::null; }

bool read_size(FieldReader& in, const JsonNode& node, std::optional<Bytes>& out)
{
  if (is_null(node)) return out.reset(), true;
  if (!in.read(node, out.emplace().count)) return false;
  return static_cast<double>(out->count) <= k_max_bytes || in.wrong(node, "this many bytes are in no machine");
}

bool read_count(FieldReader& in, const JsonNode& node, std::optional<std::uint32_t>& out)
{
  if (!in.read(node, out)) return false;
  return !out || (*out >= 1 && *out <= 1'000'000) || in.wrong(node, "a count from 1 to 1000000 is expected");
}

bool read_value(FieldReader& in, const JsonNode& node, std::string_view unit, double& out)
{
  if (!in.read(node, out)) return false;
  const double limit = unit == "B" ? k_max_bytes : k_max_rate;
  return (out >= 0 && out <= limit) || in.wrong(node, fmt::format("a value from 0 to {:g} {} is expected", limit, unit));
}

bool read_alternatives(FieldReader& in, const JsonNode& node, std::string_view unit, std::vector<Figure::Alternative>& out)
{
  if (node.kind != JsonKind::array) return in.expected(node, "a list");
  const auto& doc = in.document();
  for (const auto* item = doc.first(node); item; item = doc.next(*item)) {
    if (item->kind != JsonKind::object) return in.expected(*item, "an object");
    auto& alternative = out.emplace_back();
    for (const auto* m = doc.first(*item); m; m = doc.next(*m)) {
      const bool done = m->key == "value"    ? read_value(in, *m, unit, alternative.value)
                        : m->key == "source" ? in.read(*m, alternative.source)
                                             : true;
      if (!done) return false;
    }
  }
  return true;
}

/// {"value", "unit", "source", "confidence", "alternatives"} or null.
bool read_figure(FieldReader& in, const JsonNode& node, std::string_view unit, OptionalFigure& out)
{
  if (is_null(node)) return out.reset(), true;
  if (node.kind != JsonKind::object) return in.expected(node, "an object with value, unit and source, or null,");
  const auto& doc = in.document();
  auto& figure = out.emplace();
  figure.unit = unit;
  const auto* value = doc.find(node, "value");
  if (!value) return in.wrong(node, "'value' is missing");
  if (!read_value(in, *value, unit, figure.value)) return false;
  for (const auto* m = doc.first(node); m; m = doc.next(*m)) {
    bool done = true;
    if (m->key == "unit") {
      done = in.read(*m, figure.unit) &&
             (figure.unit == unit || in.wrong(*m, fmt::format("'{}' is expected, not '{}'", unit, figure.unit)));
    } else if (m->key == "source") {
      done = in.read(*m, figure.source);
    } else if (m->key == "confidence") {
      done = in.read_enum(*m, k_confidences, figure.confidence);
    } else if (m->key == "alternatives") {
      done = read_alternatives(in, *m, unit, figure.alternatives);
    }
    if (!done) return false;
  }
  return true;
}

bool read_host(FieldReader& in, const JsonNode& m, Host& host)
{
  if (m.key == "name") return in.read(m, host.name);
  if (m.key == "os") return in.read(m, host.os);
  if (m.key == "kernel") return in.read(m, host.kernel);
  if (m.key == "arch") return in.read(m, host.arch);
  if (m.key == "container") return in.read(m, host.container);
  if (m.key == "wsl") return in.read(m, host.wsl);
  return true;
}

bool read_cpu(FieldReader& in, const JsonNode& m, Cpu& cpu)
{
  if (m.key == "model") return in.read(m, cpu.model);
  if (m.key == "physical_cores") return read_count(in, m, cpu.physical_cores);
  if (m.key == "logical_cores") return read_count(in, m, cpu.logical_cores);
  if (m.key == "usable_cores") return read_count(in, m, cpu.usable_cores);
  if (m.key == "performance_cores") return read_count(in, m, cpu.performance_cores);
  if (m.key == "isa") return in.read(m, cpu.isa);
  if (m.key == "numa_nodes") return read_count(in, m, cpu.numa_nodes);
  return true;
}

bool read_memory(FieldReader& in, const JsonNode& m, Memory& memory)
{
  if (m.key == "total_bytes") return read_size(in, m, memory.total);
  if (m.key == "limit_bytes") return read_size(in, m, memory.limit);
  if (m.key == "available_bytes") return read_size(in, m, memory.available);
  if (m.key == "swap_free_bytes") return read_size(in, m, memory.swap_free);
  if (m.key == "bandwidth") return read_figure(in, m, "B/s", memory.bandwidth);
  return true;
}

bool read_gpu(FieldReader& in, const JsonNode& m, Gpu& gpu)
{
  if (m.key == "name") return in.read(m, gpu.name);
  if (m.key == "vendor") return in.read(m, gpu.vendor);
  if (m.key == "type") return in.read_enum(m, k_gpu_types, gpu.type);
  if (m.key == "pci_address") return in.read(m, gpu.pci_address);
  if (m.key == "pci_id") return in.read(m, gpu.pci_id);
  if (m.key == "uuid") return in.read(m, gpu.uuid);
  if (m.key == "driver") return in.read(m, gpu.driver);
  if (m.key == "backends") return in.read(m, gpu.backends);
  if (m.key == "unified_memory") return in.read(m, gpu.unified_memory);
  if (m.key == "architecture") return in.read(m, gpu.architecture);
  if (m.key == "memory_total") return read_figure(in, m, "B", gpu.memory_total);
  if (m.key == "memory_reserved") return read_figure(in, m, "B", gpu.memory_reserved);
  if (m.key == "memory_dedicated") return read_figure(in, m, "B", gpu.memory_dedicated);
  if (m.key == "memory_free") return read_figure(in, m, "B", gpu.memory_free);
  if (m.key == "bandwidth") return read_figure(in, m, "B/s", gpu.bandwidth);
  if (m.key == "fp16_tflops") return read_figure(in, m, "TFLOP/s", gpu.fp16_tflops);
  if (m.key == "fp32_tflops") return read_figure(in, m, "TFLOP/s", gpu.fp32_tflops);
  if (m.key == "table_id") return in.read(m, gpu.table_id);
  if (m.key == "from_table") return in.read(m, gpu.from_table);
  return true;
}

bool read_note(FieldReader& in, const JsonNode& m, HardwareNote& note)
{
  if (m.key == "source") return in.read(m, note.source);
  if (m.key == "text") return in.read(m, note.text);
  return true;
}

/// Every member of an object through `read_member`; `path` names the object in messages.
template <typename T, typename ReadMember>
bool read_members(FieldReader& in, const JsonNode& node, std::string_view path, T& out, ReadMember read_member)
{
  in.entry(path);
  if (node.kind != JsonKind::object) return in.expected(node, "an object");
  for (const auto* m = in.document().first(node); m; m = in.document().next(*m)) {
    if (!read_member(in, *m, out)) return false;
  }
  return true;
}

template <typename T, typename ReadMember>
bool read_each(FieldReader& in, const JsonNode& node, std::vector<T>& out, ReadMember read_member)
{
  in.entry("");
  if (node.kind != JsonKind::array) return in.expected(node, "a list");
  for (const auto* item = in.document().first(node); item; item = in.document().next(*item)) {
    const auto path = fmt::format("{}[{}]", node.key, out.size());
    if (!read_members(in, *item, path, out.emplace_back(), read_member)) return false;
  }
  return true;
}

}  // namespace

Result<HardwareProfile> parse_profile(std::string_view json, std::string_view file)
{
  const auto document = JsonDocument::parse(json, file);
  if (!document) return tl::unexpected(document.error());
  const auto& root = document->root();
  FieldReader in(*document);
  if (root.kind != JsonKind::object)
    return fail(ErrorKind::parse, fmt::format("{}: an object is expected at the top", document->where(root)));
  const auto* schema = document->find(root, "schema");
  constexpr std::string_view k_schema = "canirun.hardware/";
  if (schema && schema->string.starts_with(k_schema) && schema->string != "canirun.hardware/1") {
    return fail(ErrorKind::parse, fmt::format("{}: this profile follows {}, which is newer than this canirun reads; update canirun",
                                              document->where(*schema), schema->string));
  }
  if (!schema || schema->string != "canirun.hardware/1") {
    return fail(ErrorKind::parse,
                fmt::format("{}: \"schema\": \"canirun.hardware/1\" is expected; `canirun probe -o FILE` writes such a file",
                            document->where(schema ? *schema : root)));
  }
  HardwareProfile profile;
  for (const auto* m = document->first(root); m; m = document->next(*m)) {
    const bool done = m->key == "host"     ? read_members(in, *m, "host", profile.host, read_host)
                      : m->key == "cpu"    ? read_members(in, *m, "cpu", profile.cpu, read_cpu)
                      : m->key == "memory" ? read_members(in, *m, "memory", profile.memory, read_memory)
                      : m->key == "gpus"   ? read_each(in, *m, profile.gpus, read_gpu)
                      : m->key == "notes"  ? read_each(in, *m, profile.notes, read_note)
                                           : true;
    if (!done) return fail(ErrorKind::parse, in.problem());
  }
  return profile;
}

}  // namespace canirun
