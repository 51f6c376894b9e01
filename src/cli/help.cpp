#include "help.hpp"

#include <fmt/format.h>

#include "command_info.hpp"
#include "option_table.hpp"

namespace canirun {

std::string brief_help()
{
  return R"(Tells which AI models this machine can run, how well, and why.

  canirun                    this machine and its ranked list of models
  canirun llama-2-70b        one model: a row per quantisation, the best pick, the command

usage: canirun [MODEL...] [options]       MODEL: a name, a .gguf file, a config.json
       canirun check MODEL... [requirements]       canirun plan MODEL [requirements]
       canirun fleet PROFILE...    canirun probe | models | gpus | doctor

  --all, --task T, --search TEXT    models of the catalogue
  -q, --quant LIST                  quantisations, such as Q4_K_M,Q8_0 or all
  -c, --ctx N                       tokens of context, such as 32k
  -ngl N, -ctk TYPE, -fa WHEN ...   llama.cpp's flags
  --gpu NAME, --ram SIZE, --no-gpu  another machine; --hardware FILE a whole profile
  --min-grade G, --min-speed TPS    requirements: exit status 1 if one is not met
  --json, --format NAME, -o FILE    for scripts
  --explain                         where each figure comes from

Exit status: 0 done, 1 a requirement is not met, 2 wrong question, 3 cannot read or write.
canirun --help lists every option.
)";
}

std::string full_help(Command command)
{
  Options o;
  CLI::App app;
  add_everything(app, o);
  std::string out;
  if (command == Command::grade) {
    out = "Tells which AI models this machine can run, how well, and why.\n\nusage: canirun [MODEL...] [options]\n";
    out +=
        "\nMODEL is a name of the catalogue (canirun models), a .gguf file, a Hugging Face config.json or its "
        "folder.\n\nCommands\n";
    for (const auto& info : commands()) out += fmt::format("  {:<12} {}\n", info.name, info.help);
  } else {
    const auto& info = *find_command(command_name(command));
    out = fmt::format("{}.\n\nusage: canirun {} {}\n", info.help, info.name, info.words);
    if (!info.example.empty()) out += fmt::format("example: {}\n", info.example);
  }
  for (const auto* group : k_groups) {
    std::string lines;
    for (const auto* option : app.get_options()) {
      if (option->get_group() != group) continue;
      const auto& l = option->get_lnames();
      if (!takes_option(command, group, l.empty() ? "" : "--" + l.front())) continue;
      std::string names;
      for (const auto& n : option->get_snames()) names += (names.empty() ? "-" : ", -") + n;
      for (const auto& n : l) names += (names.empty() ? "    --" : ", --") + n;
      if (option->get_items_expected_max() > 0) names += " " + option->get_type_name();
      lines += names.size() > 30 ? fmt::format("  {}\n  {:<30} {}\n", names, "", option->get_description())
                                 : fmt::format("  {:<30} {}\n", names, option->get_description());
    }
    if (!lines.empty()) out += fmt::format("\n{}\n{}", group, lines);
  }
  if (command == Command::grade) {
    out +=
        "\nExamples\n  canirun llama-3.1-8b --gpu \"RTX 3060\" --ctx 32k\n  canirun --task code --json\n"
        "  canirun check llama-3.1-8b --quant Q4_K_M --min-grade B --min-ctx 16384\n"
        "  canirun plan llama-2-70b --min-grade B --min-speed 20\n  canirun plan llama-3.1-8b --goal context\n";
  }
  out +=
      "\nExit status: 0 done, 1 a requirement is not met, 2 the question was wrong, 3 the machine could not be\n"
      "examined or output could not be written.\n";
  return out;
}

std::vector<FlagInfo> all_flags()
{
  Options o;
  CLI::App app;
  add_everything(app, o);
  std::vector<FlagInfo> flags;
  for (const auto* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    std::string names;
    for (const auto& n : option->get_snames()) names += (names.empty() ? "-" : " -") + n;
    for (const auto& n : option->get_lnames()) names += (names.empty() ? "--" : " --") + n;
    const bool takes_value = option->get_items_expected_max() > 0;
    flags.push_back({names, option->get_description(), option->get_group(), takes_value ? option->get_type_name() : ""});
  }
  return flags;
}

}  // namespace canirun
