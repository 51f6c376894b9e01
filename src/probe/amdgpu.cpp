#include <fmt/format.h>

#include <algorithm>

#include "probe/gpu_sources.hpp"
#include "probe/identity.hpp"

namespace canirun {

namespace {

/// The first two bytes after the size in gpu_metrics are the format: 1.x is a card's, 2.x and 3.x are an APU's
/// (Linux kgd_pp_interface.h: gpu_metrics_v2_0 "for APU"). Reading it asks the firmware, so never of a sleeping device.
std::optional<GpuType> type_by_metrics(const Sysroot& sys, const std::string& base)
{
  const auto bytes = sys.read(base + "/gpu_metrics", 4);
  if (!bytes || bytes->size() < 4) return std::nullopt;
  const auto format = static_cast<unsigned char>((*bytes)[2]);
  if (format == 1) return GpuType::discrete;
  if (format == 2 || format == 3) return GpuType::integrated;
  return std::nullopt;
}

/// Sizes alone are weak evidence: no card of today has 1 GiB or less, and only an APU's owner lets the GPU map most of the RAM
/// (the default is half of it: Linux amdgpu_ttm.c).
std::optional<GpuType> type_by_sizes(Bytes carve_out, Bytes gtt, std::optional<Bytes> ram)
{
  if (carve_out <= Bytes{1ULL << 30}) return GpuType::integrated;
  if (ram && static_cast<double>(gtt.count) > 0.7 * static_cast<double>(ram->count) && gtt > carve_out)
    return GpuType::integrated;
  return std::nullopt;
}

std::optional<Bytes> ram(const Sysroot& sys)
{
  const auto text = sys.read("proc/meminfo").value_or("");
  const auto at = text.find("MemTotal:");
  if (at == std::string::npos) return std::nullopt;
  const auto kib = parse_number(split(trim(std::string_view(text).substr(at + 9, 64)), ' ')[0]);
  return kib ? std::optional(Bytes{*kib * 1024}) : std::nullopt;
}

}  // namespace

Result<Facts> AmdgpuSource::read()
{
  Facts facts{.source = "amdgpu"};
  for (const auto& folder : sys_.list("sys/bus/pci/devices")) {
    const auto base = "sys/bus/pci/devices/" + folder;
    if (sys_.number(base + "/vendor") != k_amd) continue;
    const auto total = sys_.number(base + "/mem_info_vram_total");
    const auto address = canonical_pci_address(folder);
    if (!total || !address) continue;
    const auto figure = [&](const char* file) -> std::optional<Bytes> {
      const auto value = sys_.number(base + "/" + file);
      if (!value) return std::nullopt;
      facts.reading(*address, file, fmt::format("{}", *value));
      return Bytes{*value};
    };
    DeviceFacts device{.source = "amdgpu", .pci_address = address, .vendor_id = k_amd};
    device.memory_dedicated = figure("mem_info_vram_total");
    device.memory_dedicated_used = figure("mem_info_vram_used");
    device.memory_shared = figure("mem_info_gtt_total");
    device.memory_shared_used = figure("mem_info_gtt_used");
    std::optional<Bytes> promised;
    // amdgpu.gttsize may promise more than the kernel lets any GPU map.
    if (const auto pages = sys_.number("sys/module/ttm/parameters/pages_limit"); pages && *pages > 0 && *pages < (1ULL << 40U)) {
      const Bytes limit{*pages * 4096};
      facts.reading(*address, "ttm.pages_limit", fmt::format("{} pages", *pages));
      if (device.memory_shared && limit < *device.memory_shared) {
        promised = device.memory_shared;
        device.memory_shared = limit;
      }
    }
    if (const auto name = sys_.line(base + "/product_name")) device.name = clean_text(*name);
    const bool asleep = sys_.line(base + "/power/runtime_status") == "suspended";
    if (const auto type = asleep ? std::nullopt : type_by_metrics(sys_, base)) {
      device.type = type;
      device.type_evidence = TypeEvidence::driver_flag;
    } else if (device.memory_shared) {
      device.type = type_by_sizes(*device.memory_dedicated, *device.memory_shared, ram(sys_));
    }
    if (promised && device.type == GpuType::integrated) {
      facts.note(fmt::format("the GPU at {} may map {:.1f} GiB of the RAM, not the {:.1f} that amdgpu states: ttm.pages_limit is lower",
                             *address, to_gib(*device.memory_shared).value, to_gib(*promised).value));
    }
    facts.devices.push_back(std::move(device));
  }
  if (facts.devices.empty()) return fail(ErrorKind::unavailable, "no GPU uses amdgpu");
  return facts;
}

}  // namespace canirun
