#include <algorithm>
#include <filesystem>
#include <fmt/format.h>

#include "canirun/formats/policy_file.hpp"
#include "commands.hpp"
#include "evaluate_all.hpp"
#include "machine.hpp"
#include "models.hpp"
#include "output.hpp"

namespace canirun {

namespace {

/// Files that a policy names are found from the policy's own folder, wherever the program is started.
std::string beside(const std::string& policy, const std::string& file)
{
  return (std::filesystem::path(policy).parent_path() / file).string();
}

std::vector<std::string> models_beside(const std::string& policy, const PolicyRule& rule)
{
  std::vector<std::string> words;
  for (const auto& model : rule.models) words.push_back(is_file_name(model) ? beside(policy, model) : model);
  return words;
}

/// A class in the terms of the command line, which stands for a class that states nothing.
Options options_of(const PolicyMachine& machine, const Options& o)
{
  auto options = o;
  auto& m = options.machine;
  const bool states_machine = !machine.hardware.empty() || !machine.gpus.empty() || machine.vram || machine.ram || machine.no_gpu ||
                              machine.cores || machine.gpu_bandwidth || machine.ram_bandwidth;
  if (!states_machine) return options;
  options.profiles.clear();
  for (const auto& file : machine.hardware) options.profiles.push_back(beside(o.policy, file));
  m = {};
  m.probe_timeout = o.machine.probe_timeout;
  if (!options.profiles.empty()) m.hardware = options.profiles.front();
  m.gpus = machine.gpus;
  m.vram = machine.vram;
  m.ram = machine.ram;
  m.no_gpu = machine.no_gpu;
  m.cores = machine.cores;
  m.gpu_bandwidth = machine.gpu_bandwidth;
  m.ram_bandwidth = machine.ram_bandwidth;
  return options;
}

/// The question of a rule: what it states, else what the command line does.
Question question_of(const PolicyRule& rule, const Options& o)
{
  auto question = o.question;
  auto& w = question.workload;
  if (!rule.quants.empty()) question.quants = rule.quants;
  if (rule.n_ctx) w.n_ctx = *rule.n_ctx;
  if (rule.n_seq_max) w.n_seq_max = *rule.n_seq_max;
  if (rule.cache_type_k) w.cache_type_k = *rule.cache_type_k;
  if (rule.cache_type_v) w.cache_type_v = *rule.cache_type_v;
  return question;
}

/// "laptop", or "laptop (machine-17)" where a class has several profiles.
std::string label_of(const PolicyMachine& kind, const NamedMachine& machine)
{
  if (kind.name.empty()) return machine.name.empty() ? "this machine" : machine.name;
  return machine.name.empty() ? kind.name : fmt::format("{} ({})", kind.name, machine.name);
}

tl::unexpected<Error> in_rule(const Options& o, std::size_t rule, const Error& error)
{
  return fail(error.kind, fmt::format("{}: 'rules[{}]': {}", o.policy, rule, error.message));
}

}  // namespace

Result<int> run_policy(const Options& o, const Environment& env)
{
  if (!o.words.empty() || o.selection.any() || o.requirements.any()) {
    return fail(ErrorKind::invalid_argument, "a policy states models and requirements itself; leave them out beside --policy");
  }
  const auto text = read_input(o.policy);
  if (!text) return tl::unexpected(text.error());
  const auto policy = parse_policy(*text, o.policy);
  if (!policy) return tl::unexpected(policy.error());
  const std::vector<std::filesystem::path> own(o.catalogue_files.begin(), o.catalogue_files.end());
  const auto catalogue = load_catalogue(env.data, own);
  if (!catalogue) return tl::unexpected(catalogue.error());
  LazyGpuTable table(env);

  std::vector<ModelSet> sets;
  for (const auto& rule : policy->rules) {
    const auto words = models_beside(o.policy, rule);
    auto set = models_of(words, {}, *catalogue);
    if (!set) return in_rule(o, sets.size(), set.error());
    sets.push_back(std::move(*set));
  }

  std::vector<Report> reports;
  for (std::size_t k = 0; k < policy->machines.size(); ++k) {
    const auto& kind = policy->machines[k];
    const auto machines = machines_of(options_of(kind, o), env, table);
    if (!machines) return fail(machines.error().kind, fmt::format("{}: 'machines.{}': {}", o.policy, kind.name, machines.error().message));
    for (const auto& machine : *machines) {
      for (std::size_t r = 0; r < policy->rules.size(); ++r) {
        const auto& rule = policy->rules[r];
        if (std::ranges::find(rule.machines, k) == rule.machines.end()) continue;
        auto asked = o;
        asked.question = question_of(rule, o);
        auto& report = reports.emplace_back(
            make_report(asked, machine.hardware, evaluate_all(sets[r].subjects, machine.hardware, asked.question)));
        report.machine = label_of(kind, machine);
        report.checks = check_all(report, sets[r], rule.requirements, asked.question);
      }
    }
  }
  return emit_reports(reports, o, env, all_pass(reports) ? k_done : k_not_met);
}

}  // namespace canirun
