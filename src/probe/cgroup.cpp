#include "probe/cgroup.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace canirun {

namespace {

struct Mount {
  std::string root;  ///< The cgroup that appears at `point`.
  std::string point;
};

bool has_word(std::string_view list, std::string_view word)
{
  return std::ranges::any_of(split(list, ','), [&](auto part) { return part == word; });
}

/// Where a hierarchy is mounted, from /proc/self/mountinfo: "id parent dev root point options [tags] - type source options".
std::optional<Mount> find_mount(const Sysroot& sys, const std::string& controller)
{
  const auto text = sys.read("proc/self/mountinfo", 1 << 20);
  if (text) {
    for (const auto row : split(*text, '\n')) {
      const auto dash = row.find(" - ");
      if (dash == std::string_view::npos) continue;
      const auto left = split(row.substr(0, dash), ' '), right = split(row.substr(dash + 3), ' ');
      if (left.size() < 6 || right.size() < 3) continue;
      const bool ours = controller.empty() ? right[0] == "cgroup2" : right[0] == "cgroup" && has_word(right[2], controller);
      if (ours) return Mount{std::string(left[3]), std::string(left[4])};
    }
  }
  // No mountinfo (a captured tree, a bare container): the usual places.
  const auto usual = controller.empty()    ? std::vector<std::string>{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}
                     : controller == "cpu" ? std::vector<std::string>{"/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/cpu"}
                                           : std::vector<std::string>{"/sys/fs/cgroup/" + controller};
  for (const auto& point : usual) {
    if (sys.exists(controller.empty() ? point + "/cgroup.controllers" : point)) return Mount{"/", point};
  }
  // A captured tree need not hold cgroup.controllers.
  if (controller.empty() && sys.exists("/sys/fs/cgroup") && !sys.exists("/sys/fs/cgroup/memory"))
    return Mount{"/", "/sys/fs/cgroup"};
  return std::nullopt;
}

/// The path of our cgroup, from /proc/self/cgroup: "0::/a/b" or "4:memory:/a/b".
std::string own_path(const Sysroot& sys, const std::string& controller)
{
  const auto text = sys.read("proc/self/cgroup");
  if (!text) return "/";
  for (const auto row : split(*text, '\n')) {
    const auto first = row.find(':');
    if (first == std::string_view::npos) continue;
    const auto second = row.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const auto names = row.substr(first + 1, second - first - 1);
    const bool ours = controller.empty() ? row.substr(0, first) == "0" && names.empty() : has_word(names, controller);
    if (ours) return std::string(row.substr(second + 1));
  }
  return "/";
}

std::optional<Bytes> usable(std::uint64_t limit, std::optional<std::uint64_t> current, std::uint64_t reclaimable)
{
  if (!current) return std::nullopt;
  const auto held = saturating_sub(Bytes{*current}, Bytes{reclaimable});
  return saturating_sub(Bytes{limit}, held);
}

std::uint64_t stat(const std::string& text, std::initializer_list<std::string_view> keys)
{
  std::uint64_t sum = 0;
  for (const auto row : split(text, '\n')) {
    const auto blank = row.find(' ');
    if (blank == std::string_view::npos || std::ranges::find(keys, row.substr(0, blank)) == keys.end()) continue;
    sum += parse_number(row.substr(blank + 1)).value_or(0);
  }
  return sum;
}

// v1 writes "no limit" as the largest multiple of a page below 2^63.
constexpr std::uint64_t k_no_limit_v1 = (1ULL << 63) - 4096;

}  // namespace

std::vector<std::string> cgroup_folders(const Sysroot& sys, const std::string& controller)
{
  const auto mount = find_mount(sys, controller);
  if (!mount) return {};
  // In a container the path may be the host's while only our part of the tree is mounted: take off what the mount hides.
  std::string inside = own_path(sys, controller);
  if (mount->root != "/" && inside.starts_with(mount->root)) inside.erase(0, mount->root.size());
  std::vector<std::string> folders{mount->point};
  std::string folder = mount->point;
  for (const auto part : split(inside, '/')) {
    if (part.empty() || part == "." || part == "..") continue;
    folder += '/';
    folder += part;
    if (!sys.exists(folder)) break;
    folders.push_back(folder);
  }
  std::ranges::reverse(folders);
  return folders;
}

std::vector<MemoryLimit> cgroup_memory_limits(const Sysroot& sys, Facts& facts)
{
  std::vector<MemoryLimit> limits;
  const auto add = [&](const std::string& folder, std::string_view file, std::uint64_t limit, std::optional<Bytes> left) {
    facts.reading(folder, std::string(file), fmt::format("{}", limit));
    limits.push_back({folder, {limit}, left});
  };
  for (const auto& folder : cgroup_folders(sys, "")) {
    const auto limit = sys.number(folder + "/memory.max");  // "max" is no number: no limit
    if (const auto high = sys.number(folder + "/memory.high"); high && *high < limit.value_or(UINT64_MAX)) {
      facts.reading(folder, "memory.high", fmt::format("{}", *high));
      facts.note(fmt::format("beyond {:.1f} GiB this process is slowed down to give memory back (memory.high of its cgroup)",
                             to_gib(Bytes{*high}).value));
    }
    if (!limit) continue;
    const auto text = sys.read(folder + "/memory.stat").value_or("");
    add(folder, "memory.max", *limit,
        usable(*limit, sys.number(folder + "/memory.current"), stat(text, {"inactive_file", "active_file", "slab_reclaimable"})));
  }
  for (const auto& folder : cgroup_folders(sys, "memory")) {
    const auto limit = sys.number(folder + "/memory.limit_in_bytes");
    if (!limit || *limit >= k_no_limit_v1) continue;
    const auto text = sys.read(folder + "/memory.stat").value_or("");
    add(folder, "memory.limit_in_bytes", *limit,
        usable(*limit, sys.number(folder + "/memory.usage_in_bytes"), stat(text, {"total_inactive_file", "total_active_file"})));
  }
  return limits;
}

std::optional<double> cgroup_cpu_quota(const Sysroot& sys, Facts& facts)
{
  std::optional<double> smallest;
  const auto consider = [&](const std::string& folder, std::string_view file, std::optional<std::uint64_t> quota,
                            std::optional<std::uint64_t> period) {
    if (!quota || *quota == 0 || !period || *period == 0) return;  // "max" and -1 are no numbers: no quota
    const double cpus = static_cast<double>(*quota) / static_cast<double>(*period);
    facts.reading(folder, std::string(file), fmt::format("{} of {} us", *quota, *period));
    smallest = std::min(smallest.value_or(cpus), cpus);
  };
  for (const auto& folder : cgroup_folders(sys, "")) {
    const auto line = sys.line(folder + "/cpu.max").value_or("");
    const auto parts = split(line, ' ');
    consider(folder, "cpu.max", parse_number(parts[0]), parts.size() > 1 ? parse_number(parts[1]) : 100000);
  }
  for (const auto& folder : cgroup_folders(sys, "cpu")) {
    consider(folder, "cpu.cfs_quota_us", sys.number(folder + "/cpu.cfs_quota_us"), sys.number(folder + "/cpu.cfs_period_us"));
  }
  return smallest;
}

}  // namespace canirun
