#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "canirun/core/hardware_json.hpp"
#include "canirun/formats/catalogue.hpp"
#include "canirun/probe/doctor.hpp"
#include "commands.hpp"
#include "machine.hpp"
#include "models.hpp"
#include "output.hpp"
#include "render/describe.hpp"
#include "render/text.hpp"
#include "render/text_table.hpp"

namespace canirun {

namespace {

using json = nlohmann::ordered_json;

std::string dump(const json& value) { return value.dump(2, ' ', false, json::error_handler_t::replace) + "\n"; }

Style style_of(const Options& o, const Environment& env)
{
  RenderOptions r;
  r.colour = (o.output.empty() || o.output == "-") && use_colour(o.colour, env);
  r.unicode = use_unicode(env);
  return Style(r);
}

Result<void> only_table_or_json(const Options& o, std::string_view command)
{
  if (o.format == "table" || o.format == "json") return {};
  return fail(ErrorKind::invalid_argument, fmt::format("`canirun {}` has the formats table and json, not {}", command, o.format));
}

json entry_json(const CatalogueEntry& e)
{
  return {{"id", e.spec.id},
          {"name", e.spec.name},
          {"aliases", e.aliases},
          {"tasks", e.facts.tasks},
          {"arch", e.spec.arch},
          {"family", e.facts.family},
          {"provider", e.facts.provider},
          {"release", e.facts.release},
          {"license", e.facts.license},
          {"n_params", e.spec.n_params},
          {"context_length", e.spec.n_ctx_train}};
}

/// RFC 4180; no field of the catalogue has a line break.
std::string entries_csv(const std::vector<const CatalogueEntry*>& entries)
{
  const auto cell = [](const std::string& text) {
    if (text.find_first_of(",\"") == std::string::npos) return text;
    std::string quoted = "\"";
    for (const char c : text) quoted.append(c == '"' ? 2 : 1, c);
    return quoted + "\"";
  };
  std::string out = "id,name,tasks,arch,family,provider,release,license,n_params,context_length\r\n";
  for (const auto* e : entries) {
    out += fmt::format("{},{},{},{},{},{},{},{},{},{}\r\n", cell(e->spec.id), cell(e->spec.name),
                       cell(fmt::format("{}", fmt::join(e->facts.tasks, " "))), cell(e->spec.arch), cell(e->facts.family),
                       cell(e->facts.provider), cell(e->facts.release), cell(e->facts.license), e->spec.n_params,
                       e->spec.n_ctx_train);
  }
  return out;
}

Result<int> validate(const Options& o)
{
  if (o.words.size() != 2)
    return fail(ErrorKind::invalid_argument,
                "`canirun models validate` needs one file, as in `canirun models validate models.json`");
  const auto text = read_input(o.words[1]);
  if (!text) return tl::unexpected(text.error());
  const auto findings = validate_catalogue(*text, o.words[1]);
  const int status = findings.empty() ? k_done : k_wrong_question;
  if (o.format == "json") {
    json all = json::array();
    for (const auto& f : findings)
      all.push_back({{"file", f.file}, {"entry", f.entry}, {"field", f.field}, {"message", f.message}});
    return emit(dump({{"schema", "canirun.findings/1"}, {"findings", std::move(all)}}), o, status);
  }
  std::string out;
  for (const auto& f : findings) {
    out += clean(f.file);
    for (const auto* part : {&f.entry, &f.field}) out += part->empty() ? "" : ": " + clean(*part);
    out += ": " + clean(f.message) + "\n";
  }
  if (findings.empty()) out = fmt::format("{}: no finding\n", clean(o.words[1]));
  return emit(out, o, status);
}

}  // namespace

Result<int> run_probe(const Options& o, const Environment& env)
{
  if (auto ok = only_table_or_json(o, "probe"); !ok) return tl::unexpected(ok.error());
  if (!o.words.empty())
    return fail(ErrorKind::invalid_argument, fmt::format("probe takes no model; '{}' is one word too many", o.words.front()));
  auto hardware = machine_of(o.machine, env);
  if (!hardware) return tl::unexpected(hardware.error());
  for (auto& gpu : hardware->gpus) gpu.uuid.reset();  // as good as a serial number, and nothing reads it: `doctor` shows it
  const bool to_file = !o.output.empty() && o.output != "-";
  if (o.format == "json" || to_file) return emit(dump(to_json(*hardware)), o);
  const auto style = style_of(o, env);
  std::string out;
  for (const auto& line : machine_lines(*hardware, style)) out += line + "\n";
  for (const auto& n : hardware->notes) out += fmt::format("note: {}: {}\n", clean(n.source), clean(n.text, !style.unicode));
  return emit(out, o);
}

Result<int> run_doctor(const Options& o, const Environment& env)
{
  if (auto ok = only_table_or_json(o, "doctor"); !ok) return tl::unexpected(ok.error());
  const auto& m = o.machine;
  if (!m.hardware.empty() || !m.gpus.empty() || m.vram || m.ram || m.cores || m.gpu_bandwidth || m.ram_bandwidth) {
    return fail(
        ErrorKind::invalid_argument,
        "doctor shows what this machine answers; --hardware, --gpu, --vram, --ram, --cores and --…-bandwidth state another one");
  }
  auto probe = probe_options(m, env);
  probe.deep = true;  // who looks for what is wrong wants every driver asked
  auto trace = trace_probe(probe);
  const auto table = load_gpu_table(env.data, {});
  if (!table) return tl::unexpected(table.error());
  fill_from_table(trace.profile, *table);
  for (const auto& gpu : trace.profile.gpus) {
    trace.decisions.push_back({gpu.pci_address.value_or(gpu.name), "table entry", gpu.table_id.value_or("none"),
                               gpu.table_id ? "by PCI id, name and memory; it fills what no driver reports"
                                            : "the table knows neither its PCI id nor its name"});
  }
  return emit(o.format == "json" ? dump(doctor_json(trace, CANIRUN_VERSION)) : doctor_text(trace, CANIRUN_VERSION), o);
}

Result<int> run_models(const Options& o, const Environment& env)
{
  const bool list = o.words.empty() || o.words.front() == "list";
  if (auto ok = only_table_or_json(o, "models"); !ok && !(list && o.format == "csv")) return tl::unexpected(ok.error());
  const auto catalogue =
      load_catalogue(env.data, std::vector<std::filesystem::path>(o.catalogue_files.begin(), o.catalogue_files.end()));
  if (!catalogue) return tl::unexpected(catalogue.error());
  const auto action = o.words.empty() ? std::string("list") : o.words.front();
  if (action == "show") {
    if (o.words.size() != 2)
      return fail(ErrorKind::invalid_argument, "`canirun models show` needs one model, as in `canirun models show llama-3.1-8b`");
    const auto entry = find_entry(o.words[1], *catalogue);
    if (!entry) return tl::unexpected(entry.error());
    auto text = to_catalogue_json(**entry) + "\n";
    if (o.format == "table") {
      // A program reads --json; a person also wants to know what came before and after.
      std::vector<std::string> names;
      for (const auto* e : other_versions(**entry, *catalogue)) names.push_back(e->spec.id);
      if (!names.empty()) text += fmt::format("other versions: {}\n", fmt::join(names, ", "));
    }
    return emit(text, o);
  }
  if (action == "validate") return validate(o);
  if (action == "import") {
    if (o.words.size() != 2)
      return fail(ErrorKind::invalid_argument,
                  "`canirun models import` needs one file, as in `canirun models import config.json`");
    auto spec = read_model_file(o.words[1]);
    if (!spec) return tl::unexpected(spec.error());
    // A whole catalogue file: what --models, `validate` and `canirun FILE` read.
    return emit(fmt::format("{{\n  \"schema\": \"canirun.models/1\",\n  \"models\": [\n{}\n  ]\n}}\n",
                            to_catalogue_json(import_entry(std::move(*spec), o.words[1]))),
                o);
  }
  if (action != "list" || o.words.size() > 1) {
    return fail(
        ErrorKind::invalid_argument,
        fmt::format("`canirun models` does not know '{}'; it takes list, show ID, validate FILE or import FILE", o.words.back()));
  }
  const auto selected = selected_entries(o.selection, *catalogue);
  if (!selected) return tl::unexpected(selected.error());
  if (o.ids) {
    std::string out;
    for (const auto* e : *selected) out += e->spec.id + "\n";
    return emit(out, o);
  }
  if (o.format == "csv") return emit(entries_csv(*selected), o);
  if (o.format == "json") {
    json models = json::array();
    for (const auto* e : *selected) models.push_back(entry_json(*e));
    return emit(dump({{"schema", "canirun.model-list/1"}, {"models", std::move(models)}}), o);
  }
  const auto style = style_of(o, env);
  TextTable table({{"model", false, true},
                   {"params", true},
                   {"context", true},
                   {"tasks", false, true},
                   {"released", false, false, 70},
                   {"name", false, true, 100}});
  for (const auto* entry : *selected) {
    const auto& e = *entry;
    table.add({{clean(e.spec.id)},
               {e.spec.n_params > 0 ? params_text(e.spec.n_params) : ""},
               {e.spec.n_ctx_train > 0 ? context_text(e.spec.n_ctx_train) : ""},
               {clean(fmt::format("{}", fmt::join(e.facts.tasks, ", ")))},
               {e.facts.release},
               {clean(e.spec.name, !style.unicode)}});
  }
  return emit(table.text(style, env.width), o);
}

Result<int> run_gpus(const Options& o, const Environment& env)
{
  if (auto ok = only_table_or_json(o, "gpus"); !ok) return tl::unexpected(ok.error());
  const auto table = load_gpu_table(env.data, {});
  if (!table) return tl::unexpected(table.error());
  const auto text = fmt::format("{}", fmt::join(o.words, " "));
  std::vector<const GpuEntry*> found;
  if (text.empty()) {
    for (const auto& e : table->entries()) found.push_back(&e);
  } else {
    found = table->search(text);
    if (found.empty()) return fail(ErrorKind::not_found, fmt::format("no GPU matches '{}'; `canirun gpus` lists all", text));
  }
  if (o.ids) {
    std::string out;
    for (const auto* e : found) out += e->name + "\n";
    return emit(out, o);
  }
  if (o.format == "json") {
    json gpus = json::array();
    for (const auto* e : found) {
      gpus.push_back({{"id", e->id},
                      {"name", e->name},
                      {"vendor", e->vendor},
                      {"arch", e->arch},
                      {"form", e->form},
                      {"year", e->year},
                      {"vram_gib", e->vram_gib},
                      {"bandwidth_gbs", e->bandwidth_gbs ? json(*e->bandwidth_gbs) : json(nullptr)},
                      {"fp16_tflops", e->fp16_tflops ? json(*e->fp16_tflops) : json(nullptr)},
                      {"unified", e->unified},
                      {"sources", e->sources}});
    }
    return emit(dump({{"schema", "canirun.gpu-list/1"}, {"gpus", std::move(gpus)}}), o);
  }
  const auto style = style_of(o, env);
  TextTable out({{"GPU", false, true},
                 {"memory", true},
                 {"bandwidth", true},
                 {"fp16", true},
                 {"year", true, false, 90},
                 {"architecture", false, false, 100},
                 {"form", false, false, 100}});
  for (const auto* e : found) {
    out.add({{clean(e->name, !style.unicode)},
             {e->vram_gib.empty() ? "RAM" : fmt::format("{:g} GiB", fmt::join(e->vram_gib, "/"))},
             {e->bandwidth_gbs ? fmt::format("{:.0f} GB/s", *e->bandwidth_gbs) : "?"},
             {e->fp16_tflops ? fmt::format("{:.1f} TFLOP/s", *e->fp16_tflops) : "?"},
             {e->year > 0 ? std::to_string(e->year) : ""},
             {e->arch},
             {e->form}});
  }
  return emit(out.text(style, env.width), o);
}

}  // namespace canirun
