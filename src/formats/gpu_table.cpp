#include "canirun/formats/gpu_table.hpp"

#include <algorithm>
#include <array>

#include "builtin_data.hpp"
#include "data_file.hpp"
#include "name_index.hpp"
#include "read_fields.hpp"

namespace canirun {

namespace {

constexpr auto k_confidence = std::to_array<std::string_view>({"cross-checked", "single-source", "recalled"});
constexpr auto k_forms = std::to_array<std::string_view>({"desktop", "laptop", "workstation", "datacenter", "integrated", "soc"});

template <std::size_t N>
bool read_one_of(FieldReader& in, const JsonNode& node, const std::array<std::string_view, N>& names, std::string& out)
{
  std::size_t i = 0;
  if (!in.read_enum(node, names, i)) return false;
  out = names[i];
  return true;
}

bool read_positive(FieldReader& in, const JsonNode& node, std::vector<double>& out)
{
  if (!in.read(node, out)) return false;
  return std::ranges::all_of(out, [](double v) { return v > 0 && v < 1e9; }) || in.wrong(node, "every number must be above 0");
}

bool read_positive(FieldReader& in, const JsonNode& node, std::optional<double>& out)
{
  if (!in.read(node, out)) return false;
  return !out || (*out > 0 && *out < 1e9) || in.wrong(node, "a number above 0 is expected");
}

bool read_pci_ids(FieldReader& in, const JsonNode& node, std::vector<std::string>& out)
{
  if (!in.read(node, out)) return false;
  for (const auto& id : out) {
    const bool well_formed = id.size() == 9 && id[4] == ':' && id.find_first_not_of("0123456789abcdef:") == std::string::npos;
    if (!well_formed) return in.wrong(node, fmt::format("'{}' is not a PCI id like 10de:2684", id));
  }
  return true;
}

bool read_field(FieldReader& in, const JsonNode& m, GpuEntry& g)
{
  const auto key = m.key;
  if (key == "id") return in.read(m, g.id);
  if (key == "name") return in.read(m, g.name);
  if (key == "aliases") return in.read(m, g.aliases);
  if (key == "vendor") return in.read(m, g.vendor);
  if (key == "arch") return in.read(m, g.arch);
  if (key == "form") return read_one_of(in, m, k_forms, g.form);
  if (key == "year") return in.read(m, g.year);
  if (key == "vram_gib") return read_positive(in, m, g.vram_gib);
  if (key == "bandwidth_gbs") return read_positive(in, m, g.bandwidth_gbs);
  if (key == "bandwidth_variants") return read_positive(in, m, g.bandwidth_variants);
  if (key == "fp32_tflops") return read_positive(in, m, g.fp32_tflops);
  if (key == "fp16_tflops") return read_positive(in, m, g.fp16_tflops);
  if (key == "fp16_basis") return in.read(m, g.fp16_basis);
  if (key == "tdp_w") return read_positive(in, m, g.tdp_w);
  if (key == "unified") return in.read(m, g.unified);
  if (key == "dies") return in.read(m, g.dies) && ((g.dies >= 1 && g.dies <= 16) || in.wrong(m, "1 to 16 dies are expected"));
  if (key == "pci_ids") return read_pci_ids(in, m, g.pci_ids);
  if (key == "compute_capability") return in.read(m, g.compute_capability);
  if (key == "gfx_target") return in.read(m, g.gfx_target);
  if (key == "confidence") return read_one_of(in, m, k_confidence, g.confidence);
  if (key == "sources") return in.read(m, g.sources);
  if (key == "disagreement") return in.read(m, g.disagreement);
  if (key == "notes") return in.read(m, g.notes);
  return in.wrong(m, "a GPU has no such field");
}

bool read_gpu(FieldReader& in, const JsonNode& node, GpuEntry& gpu)
{
  in.entry("");
  if (node.kind != JsonKind::object) return in.expected(node, "an object for each GPU");
  const auto& doc = in.document();
  if (const auto* id = doc.find(node, "id"); id && id->kind == JsonKind::string) in.entry(id->string);
  for (const auto* member = doc.first(node); member; member = doc.next(*member)) {
    if (!read_field(in, *member, gpu)) return false;
  }
  if (fold(gpu.id).empty()) return in.wrong(node, "'id' is missing");
  if (gpu.name.empty()) gpu.name = gpu.id;
  if (!gpu.unified && gpu.vram_gib.empty())
    return in.wrong(node, "vram_gib: a card with memory of its own needs at least one size");
  std::ranges::sort(gpu.vram_gib);
  return true;
}

}  // namespace

Result<GpuTable> GpuTable::parse(std::string_view json, std::string_view file)
{
  auto list = open_list(json, file, "canirun.gpus/1", "gpus");
  if (!list) return tl::unexpected(std::move(list.error()));

  GpuTable table;
  table.entries_.resize(list->items->size);
  FieldReader reader(list->document);
  NameIndex ids;
  std::size_t i = 0;
  for (const auto* item = list->document.first(*list->items); item; item = list->document.next(*item), ++i) {
    if (!read_gpu(reader, *item, table.entries_[i])) return fail(ErrorKind::parse, reader.problem());
    if (ids.claim(table.entries_[i].id, i)) {
      return fail(ErrorKind::parse, fmt::format("{}: two GPUs have the id '{}'", file, table.entries_[i].id));
    }
  }
  return table;
}

Result<GpuTable> GpuTable::builtin() { return parse(builtin_gpus_json(), "data/gpus.json"); }

void GpuTable::merge(GpuTable other)
{
  for (auto& entry : other.entries_) {
    const auto same = std::ranges::find_if(entries_, [&](const GpuEntry& e) { return fold(e.id) == fold(entry.id); });
    if (same != entries_.end()) {
      *same = std::move(entry);
    } else {
      entries_.push_back(std::move(entry));
    }
  }
}

Result<GpuTable> load_gpu_table(const DataEnvironment& environment, std::span<const std::filesystem::path> extra)
{
  return load_data<GpuTable>(data_paths("gpus.json", environment, extra));
}

const GpuEntry* GpuTable::find_id(std::string_view id) const
{
  const auto wanted = fold(id);
  const auto found = std::ranges::find_if(entries_, [&](const GpuEntry& e) { return fold(e.id) == wanted; });
  return found == entries_.end() ? nullptr : &*found;
}

}  // namespace canirun
