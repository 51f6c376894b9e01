#include "command_info.hpp"

#include <algorithm>

namespace canirun {

namespace {

constexpr std::array k_commands{
    CommandInfo{Command::check, "check", "Fail unless a model meets requirements (for CI)",
                "MODEL... [requirements] [options]\n       canirun check --policy FILE [options]",
                "canirun check llama-3.1-8b --quant Q4_K_M --min-grade B --min-ctx 16k --hardware machine.json"},
    CommandInfo{Command::plan, "plan", "What hardware a model takes; with --goal, the best settings on this machine",
                "MODEL [--goal GOAL] [requirements] [options]", "canirun plan llama-2-70b --min-grade B --min-speed 20"},
    CommandInfo{Command::verify, "verify", "Print estimates of a .gguf file beside what llama.cpp's own programs measure here",
                "FILE.gguf [options]", "canirun verify model.gguf --ctx 8k"},
    CommandInfo{Command::probe, "probe", "Print this machine's hardware profile", "[options]", "canirun probe -o machine.json"},
    CommandInfo{Command::fleet, "fleet", "Many machines: what their profiles can run, and what to change",
                "PROFILE... [options]\n       canirun fleet --merge PART... [options]",
                "canirun fleet profiles/ --model llama-3.1-8b"},
    CommandInfo{Command::models, "models", "List the catalogue; show ID, validate FILE, import config.json",
                "[list | show ID | validate FILE | import config.json] [options]", "canirun models show llama-3.1-8b"},
    CommandInfo{Command::gpus, "gpus", "Print the GPU table, or the cards that match NAME", "[NAME] [options]",
                "canirun gpus 4090"},
    CommandInfo{Command::doctor, "doctor", "Print every raw reading of the hardware", "[options]", "canirun doctor --json"},
    CommandInfo{Command::completion, "completion", "Print completions for bash, zsh or fish", "bash|zsh|fish [-o FILE]",
                "source <(canirun completion bash)"},
};

/// A fleet has machines of its own: of the options that change a machine only those that make sense for all are left.
bool fleet_takes(std::string_view group, std::string_view option)
{
  if (group == k_machine) return option == "--budget" || option == "--reserve" || option == "--gpu";
  if (group == k_requirements) return option == "--min-grade";
  if (group == k_output) return option != "--explain" && option != "--sort" && option != "--plain" && option != "--ids";
  return true;
}

}  // namespace

bool takes_option(Command command, std::string_view group, std::string_view option)
{
  const bool grading = command == Command::grade || command == Command::check || command == Command::plan;
  if (option == "--goal") return command == Command::plan;
  if (option == "--save" || option == "--deadline") return command == Command::verify;
  if (option == "--policy") return command == Command::check;
  if (option == "--emit") return command == Command::grade || command == Command::plan;
  if (option == "--host") return command == Command::grade || command == Command::probe;
  if (group == k_fleet) return command == Command::fleet;
  if (command == Command::fleet) return fleet_takes(group, option);
  if (group == k_other || grading) return true;
  if (command == Command::completion) return option == "--output";
  // On this machine: what would describe another one is refused.
  if (command == Command::verify)
    return group == k_how || (group == k_output && (option == "--json" || option == "--output" || option == "--format")) ||
           option == "--probe-timeout";
  if (group == k_machine) return command == Command::probe || command == Command::doctor;
  if (command == Command::models && group == k_what) return option != "--quant" && option != "--all";
  if (group != k_output) return false;
  if (option == "--ids") return command == Command::models || command == Command::gpus;
  return option == "--json" || option == "--output" || option == "--format";
}

std::span<const CommandInfo> commands() { return k_commands; }

const CommandInfo* find_command(std::string_view name)
{
  const auto found = std::ranges::find(k_commands, name, &CommandInfo::name);
  return found == k_commands.end() ? nullptr : &*found;
}

std::string_view command_name(Command command)
{
  const auto found = std::ranges::find(k_commands, command, &CommandInfo::command);
  return found == k_commands.end() ? "canirun" : found->name;
}

std::vector<std::string> command_names()
{
  std::vector<std::string> names;
  names.reserve(k_commands.size());
  for (const auto& info : k_commands) names.emplace_back(info.name);
  return names;
}

}  // namespace canirun
