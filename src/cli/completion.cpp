#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sstream>

#include "canirun/core/cache_type.hpp"
#include "canirun/core/file_type.hpp"
#include "canirun/render/emit.hpp"
#include "canirun/render/renderer.hpp"
#include "command_info.hpp"
#include "commands.hpp"
#include "help.hpp"

namespace canirun {

namespace {

std::vector<std::string> words_of(const std::string& text)
{
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string w; in >> w;) words.push_back(w);
  return words;
}

/// What completes the value of an option, the same for every shell.
enum class Value { none, file, gpu, choice, other };

/// The words that an option takes; none where it takes a number, a file or a name.
std::string choices_of(const std::string& names)
{
  const auto words = words_of(names);
  const auto is = [&](std::string_view name) { return std::ranges::find(words, name) != words.end(); };
  if (is("--format")) return fmt::format("{}", fmt::join(format_names(), " "));
  if (is("--quant")) {
    std::string all = "all";
    for (const auto type : all_file_types()) all += fmt::format(" {}", name(type));
    for (const auto type : {CheckpointType::awq, CheckpointType::gptq, CheckpointType::fp8})
      all += fmt::format(" {}", name(type));
    return all;
  }
  if (is("--cache-type-k") || is("--cache-type-v")) {
    std::string all;
    for (const auto type : k_cache_types) all += fmt::format("{}{}", all.empty() ? "" : " ", traits(type).name);
    return all;
  }
  if (is("--min-grade")) return "S A B C D F";
  if (is("--goal")) return "quality speed context users";
  if (is("--sort")) return "grade speed memory params context name release";
  if (is("--color")) return "auto always never";
  if (is("--flash-attn")) return "auto on off";
  if (is("--gpu-layers")) return "auto all";
  if (is("--budget")) return "capacity free";
  if (is("--backend")) return "cpu cuda vulkan rocm metal";
  if (is("--runtime")) return "llama.cpp llama-server ollama lm-studio vllm transformers diffusers";
  if (is("--emit")) return fmt::format("{}", fmt::join(emit_target_names(), " "));
  return "";
}

Value value_of(const FlagInfo& flag)
{
  if (flag.value.empty()) return Value::none;
  if (flag.value == "FILE") return Value::file;
  if (flag.names == "--gpu") return Value::gpu;
  return choices_of(flag.names).empty() ? Value::other : Value::choice;
}

/// "--models|-o|--output": a pattern of a shell's `case`.
std::string pattern(const FlagInfo& flag) { return fmt::format("{}", fmt::join(words_of(flag.names), "|")); }

std::string bash(const std::vector<FlagInfo>& flags)
{
  std::string all, files, choices, others;
  for (const auto& f : flags) {
    all += f.names + " ";
    const auto add = [&](std::string& patterns) { patterns += (patterns.empty() ? "" : "|") + pattern(f); };
    if (value_of(f) == Value::file) add(files);
    if (value_of(f) == Value::other) add(others);
    if (value_of(f) == Value::choice)
      choices += fmt::format("    {}) mapfile -t COMPREPLY < <(IFS=' '; compgen -W '{}' -- \"$cur\"); return ;;\n", pattern(f),
                             choices_of(f.names));
  }
  return fmt::format(R"sh(# bash completion for canirun: source <(canirun completion bash)
_canirun() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} IFS=$'\n'
  COMPREPLY=()
  case $prev in
    --gpu|gpus)
      # Any part of a name finds it. A name has spaces: inside a quote as it is, else with quotes around it.
      mapfile -t COMPREPLY < <(canirun gpus --ids 2>/dev/null | grep -i -F -- "${{cur//[\"\'\\]/}}")
      if [[ $cur != [\"\']* && ${{#COMPREPLY[@]}} -gt 0 ]]; then
        COMPREPLY=("${{COMPREPLY[@]/#/\"}}"); COMPREPLY=("${{COMPREPLY[@]/%/\"}}")
      fi
      return ;;
    {}) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
{}    {}) return ;;
    completion) mapfile -t COMPREPLY < <(compgen -W $'bash\nzsh\nfish' -- "$cur"); return ;;
  esac
  if [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < <(IFS=' '; compgen -W "{}" -- "$cur")
  else
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -W "$(canirun models --ids 2>/dev/null)"$'\n{}' -- "$cur"; compgen -f -X '!*.gguf' -- "$cur")
  fi
}}
complete -F _canirun canirun
)sh",
                     files, choices, others, all, fmt::join(command_names(), "\\n"));
}

/// A description inside zsh's brackets and fish's quotes.
std::string without(std::string text, std::string_view characters)
{
  std::erase_if(text, [&](char c) { return characters.find(c) != std::string_view::npos; });
  return text;
}

std::string zsh(const std::vector<FlagInfo>& flags)
{
  std::string specs;
  for (const auto& f : flags) {
    std::string action;
    switch (value_of(f)) {
      case Value::none: break;
      case Value::file: action = ":file:_files"; break;
      case Value::gpu: action = ":GPU:_canirun_gpus"; break;
      case Value::choice: action = fmt::format(":value:({})", choices_of(f.names)); break;
      case Value::other: action = ":value: "; break;
    }
    for (const auto& n : words_of(f.names)) specs += fmt::format("    '*{}[{}]{}' \\\n", n, without(f.help, "[]:'\"`"), action);
  }
  return fmt::format(R"sh(#compdef canirun
# zsh completion for canirun: canirun completion zsh > _canirun, in a folder of $fpath
_canirun_models() {{
  local -a models; models=(${{(f)"$(canirun models --ids 2>/dev/null)"}} {})
  _describe model models; _files -g '*.gguf'
}}
_canirun_gpus() {{
  local -a gpus; gpus=(${{(f)"$(canirun gpus --ids 2>/dev/null)"}})
  compadd -M 'l:|=* r:|=*' -M 'm:{{a-zA-Z}}={{A-Za-z}}' -a gpus
}}
_canirun() {{
  _arguments \
{}    '*:model:_canirun_models'
}}
if [[ $funcstack[1] == _canirun ]]; then _canirun "$@"; else compdef _canirun canirun; fi
)sh",
                     fmt::join(command_names(), " "), specs);
}

std::string fish(const std::vector<FlagInfo>& flags)
{
  std::string out = "# fish completion for canirun: canirun completion fish > ~/.config/fish/completions/canirun.fish\n";
  out += "complete -c canirun -f -a '(canirun models --ids 2>/dev/null)'\n";
  for (const auto& c : commands())
    out +=
        fmt::format("complete -c canirun -n __fish_use_subcommand -a {} -d '{}'\n", c.name, without(std::string(c.help), "'\\"));
  for (const auto& f : flags) {
    out += "complete -c canirun";
    for (const auto& n : words_of(f.names)) out += n.starts_with("--") ? " -l " + n.substr(2) : " -s " + n.substr(1);
    switch (value_of(f)) {
      case Value::none: break;
      case Value::file: out += " -r -F"; break;
      case Value::gpu: out += " -x -a '(canirun gpus --ids 2>/dev/null)'"; break;
      case Value::choice: out += fmt::format(" -x -a '{}'", choices_of(f.names)); break;
      case Value::other: out += " -x"; break;
    }
    out += fmt::format(" -d '{}'\n", without(f.help, "'\\"));
  }
  return out;
}

/// The commands and the options as definition lists in Markdown, for the manual page (cmake/man.cmake).
std::string manual_commands()
{
  std::string out;
  for (const auto& c : commands()) out += fmt::format("**{}**\n:   {}\n\n", c.name, c.help);
  return out;
}

std::string manual_options(const std::vector<FlagInfo>& flags)
{
  std::string out, group;
  for (const auto& f : flags) {
    if (f.group != group) out += fmt::format("## {}\n\n", group = f.group);
    std::string names;
    for (const auto& n : words_of(f.names)) names += fmt::format("{}**{}**", names.empty() ? "" : ", ", n);
    std::string help;
    for (const char c : f.help)
      help += std::string_view("*_`<|").find(c) == std::string_view::npos ? std::string(1, c) : fmt::format("\\{}", c);
    out += fmt::format("{}{}\n:   {}\n\n", names, f.value.empty() ? "" : fmt::format(" *{}*", f.value), help);
  }
  return out;
}

}  // namespace

Result<int> run_completion(const Options& o)
{
  const auto shell = o.words.size() == 1 ? o.words.front() : std::string();
  const auto flags = all_flags();
  if (shell == "bash") return emit(bash(flags), o);
  if (shell == "zsh") return emit(zsh(flags), o);
  if (shell == "fish") return emit(fish(flags), o);
  if (shell == "commands") return emit(manual_commands(), o);
  if (shell == "options") return emit(manual_options(flags), o);
  return fail(ErrorKind::invalid_argument, "completion needs a shell: bash, zsh or fish");
}

}  // namespace canirun
