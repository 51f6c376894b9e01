#include "canirun/probe/doctor.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "canirun/core/hardware_json.hpp"

namespace canirun {

namespace {

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

bool is_word(char c) { return is_hex(c) || (c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z') || c == '_'; }

/// This machine's name; empty when it has none that would tell anything.
std::string host_name()
{
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || std::string_view(name) == "localhost" || std::string_view(name).size() < 3)
    return {};
  return name;
}

/// Text without what names a person or a machine: the home folder becomes "~", identifiers of sixteen or more hex digits (UUIDs,
/// container ids) keep their first eight.
std::string without_identity(std::string text)
{
  const char* home = std::getenv("HOME");
  if (const std::string folder = home != nullptr ? home : ""; folder.size() > 1) {
    for (auto at = text.find(folder); at != std::string::npos; at = text.find(folder, at + 1))
      text.replace(at, folder.size(), "~");
  }
  static const std::string host = host_name();
  for (auto at = host.empty() ? std::string::npos : text.find(host); at != std::string::npos; at = text.find(host, at + 1)) {
    const auto end = at + host.size();
    const bool whole = (at == 0 || !is_word(text[at - 1])) && (end == text.size() || !is_word(text[end]));
    if (whole) text.replace(at, host.size(), "(host)");
  }
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i, digits = 0;
    bool letters = false;
    while (end < text.size() && (is_hex(text[end]) || (text[end] == '-' && end > i))) {
      digits += is_hex(text[end]) ? 1U : 0U;
      letters = letters || (is_hex(text[end]) && (text[end] < '0' || text[end] > '9'));
      ++end;
    }
    if (end == i) {
      out.push_back(text[i++]);
    } else if (digits >= 16 && letters) {
      out += text.substr(i, 8) + "...";
      i = end;
    } else {
      out += text.substr(i, end - i);
      i = end;
    }
  }
  return out;
}

HardwareProfile without_identity(HardwareProfile profile)
{
  for (auto& gpu : profile.gpus) {
    if (gpu.uuid) gpu.uuid = without_identity(*gpu.uuid);
  }
  for (auto& note : profile.notes) note.text = without_identity(note.text);
  return profile;
}

std::string line_start(const std::string& source, const std::string& subject)
{
  return subject.empty() ? source : source + " " + without_identity(subject);
}

std::string figure(const char* name, const OptionalFigure& f)
{
  if (!f) return fmt::format("    {}: unknown\n", name);
  auto text = f->unit == "B" ? fmt::format("    {}: {:.2f} GiB ({})", name, to_gib(f->bytes()).value, f->source)
                             : fmt::format("    {}: {:.1f} GB/s ({})", name, f->value / 1e9, f->source);
  for (const auto& other : f->alternatives) {
    text += f->unit == "B" ? fmt::format("; {:.2f} by {}", other.value / 1073741824.0, other.source)
                           : fmt::format("; {:.1f} by {}", other.value / 1e9, other.source);
  }
  return text + "\n";
}

}  // namespace

std::string doctor_text(const ProbeTrace& trace, std::string_view version)
{
  const auto& p = trace.profile;
  const auto size = [](const std::optional<Bytes>& b) {
    return b ? fmt::format("{:.2f} GiB", to_gib(*b).value) : std::string("unknown");
  };
  std::string out = fmt::format("canirun {}\nreadings\n", version);
  for (const auto& r : trace.readings) {
    out += fmt::format("  {}: {} = {}\n", line_start(r.source, r.subject), r.key, without_identity(r.value));
  }
  out += "decisions\n";
  for (const auto& d : trace.decisions) {
    out += fmt::format("  {}: {} = {} ({})\n", without_identity(d.subject), d.what, without_identity(d.chosen),
                       without_identity(d.reason));
  }
  out += fmt::format("result\n  {}, Linux {} {}{}\n", p.host.os, p.host.kernel, p.host.arch,
                     p.host.container ? ", container " + *p.host.container : "");
  out += fmt::format("  memory {}, limit {}, available {}\n", size(p.memory.total),
                     p.memory.limit ? size(p.memory.limit) : "none", size(p.memory.available));
  for (std::size_t i = 0; i < p.gpus.size(); ++i) {
    const auto& g = p.gpus[i];
    out += fmt::format("  gpu{}: {}, {}, {}, driver {}\n", i, g.name, g.pci_address.value_or("not on PCI"),
                       g.pci_id.value_or("no PCI id"), g.driver.value_or("unknown"));
    out += figure("memory", g.memory_total) + figure("free", g.memory_free) + figure("bandwidth", g.bandwidth);
  }
  if (p.gpus.empty()) out += "  no GPU\n";
  out += p.notes.empty() ? "notes\n  none\n" : "notes\n";
  for (const auto& note : p.notes) out += fmt::format("  {}: {}\n", note.source, without_identity(note.text));
  out += "times\n";
  for (const auto& t : trace.timings) out += fmt::format("  {}: {:.1f} ms\n", t.source, t.milliseconds);
  return out;
}

nlohmann::ordered_json doctor_json(const ProbeTrace& trace, std::string_view version)
{
  using json = nlohmann::ordered_json;
  json readings = json::array(), decisions = json::array(), timings = json::object();
  for (const auto& r : trace.readings) {
    readings.push_back(
        {{"source", r.source}, {"subject", without_identity(r.subject)}, {"key", r.key}, {"value", without_identity(r.value)}});
  }
  for (const auto& d : trace.decisions) {
    decisions.push_back({{"subject", without_identity(d.subject)},
                         {"what", d.what},
                         {"chosen", without_identity(d.chosen)},
                         {"reason", without_identity(d.reason)}});
  }
  for (const auto& t : trace.timings) timings[t.source] = t.milliseconds;
  return {{"schema", "canirun.doctor/1"},
          {"canirun", version},
          {"hardware", to_json(without_identity(trace.profile))},
          {"readings", std::move(readings)},
          {"decisions", std::move(decisions)},
          {"timings_ms", std::move(timings)}};
}

}  // namespace canirun
