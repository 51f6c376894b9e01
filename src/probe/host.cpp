#include <sys/utsname.h>

#include <cstdlib>

#include "probe/host_sources.hpp"

namespace canirun {

namespace {

/// A value of os-release: KEY="value".
std::optional<std::string> os_release(const std::string& text, std::string_view key)
{
  for (const auto row : split(text, '\n')) {
    const auto equals = row.find('=');
    if (equals == std::string_view::npos || trim(row.substr(0, equals)) != key) continue;
    auto value = trim(row.substr(equals + 1));
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front()) {
      value = value.substr(1, value.size() - 2);
    }
    return clean_text(value);
  }
  return std::nullopt;
}

/// Kernel release of a captured machine: third word of /proc/version, "Linux version 6.1.0-18-amd64 (…".
std::string captured_kernel(const Sysroot& sys)
{
  if (const auto release = sys.line("proc/sys/kernel/osrelease")) return clean_text(*release).value_or("");
  const auto line = sys.line("proc/version").value_or("");
  const auto words = split(line, ' ');
  return words.size() > 2 ? clean_text(words[2]).value_or("") : "";
}

std::optional<std::string> container(const Sysroot& sys)
{
  if (sys.exists("/.dockerenv")) return "docker";
  if (sys.exists("/run/.containerenv")) return "podman";
  if (const auto manager = sys.line("run/systemd/container")) return clean_text(*manager);
  if (sys.exists("/var/run/secrets/kubernetes.io/serviceaccount")) return "kubernetes";
  if (sys.is_this_machine() && std::getenv("KUBERNETES_SERVICE_HOST") != nullptr) return "kubernetes";
  if (sys.is_this_machine()) {
    if (const char* kind = std::getenv("container")) return clean_text(kind);  // systemd-nspawn, lxc
  }
  const auto cgroup = sys.read("proc/1/cgroup").value_or("") + sys.read("proc/self/cgroup").value_or("");
  if (cgroup.find("/kubepods") != std::string::npos) return "kubernetes";
  if (cgroup.find("/docker") != std::string::npos) return "docker";
  if (cgroup.find("/lxc") != std::string::npos) return "lxc";
  return std::nullopt;
}

/// Effective capabilities, from /proc/self/status. Bits: CAP_SYS_ADMIN 21, CAP_PERFMON 38 (linux/capability.h).
bool may_read_gpu_counters(const Sysroot& sys)
{
  const auto text = sys.read("proc/self/status").value_or("");
  for (const auto row : split(text, '\n')) {
    if (!row.starts_with("CapEff:")) continue;
    const auto bits = parse_number("0x" + std::string(trim(row.substr(7)))).value_or(0);
    return ((bits >> 21) & 1U) != 0 || ((bits >> 38) & 1U) != 0;
  }
  return false;
}

}  // namespace

Result<Facts> HostSource::read()
{
  Facts facts{.source = "host"};
  HostFacts host;
  const auto release = sys_.read("etc/os-release").value_or(sys_.read("usr/lib/os-release").value_or(""));
  struct utsname names {};
  const bool known = ::uname(&names) == 0;
  host.host.os = os_release(release, "PRETTY_NAME").value_or(os_release(release, "NAME").value_or("Linux"));
  host.host.kernel = sys_.is_this_machine() && known ? names.release : captured_kernel(sys_);
  host.host.arch =
      sys_.is_this_machine() && known ? names.machine : sys_.line("proc/sys/kernel/arch").value_or(known ? names.machine : "");
  host.host.container = container(sys_);
  const auto version = host.host.kernel + sys_.line("proc/version").value_or("");
  host.host.wsl = version.find("microsoft") != std::string::npos || version.find("Microsoft") != std::string::npos;
  host.may_read_gpu_counters = may_read_gpu_counters(sys_);
  facts.reading("", "os", host.host.os);
  facts.reading("", "kernel", host.host.kernel);
  facts.reading("", "container", host.host.container.value_or("none"));
  facts.host = std::move(host);
  return facts;
}

}  // namespace canirun
