#include <algorithm>
#include <fmt/format.h>
#include <sstream>

#include "command_line.hpp"
#include "commands.hpp"

namespace canirun {

namespace {

std::vector<std::string> words_of(const std::string& text)
{
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string w; in >> w;) words.push_back(w);
  return words;
}

std::string bash(const std::vector<FlagInfo>& flags)
{
  std::string all;
  for (const auto& f : flags) all += f.names + " ";
  return fmt::format(R"sh(# bash completion for canirun: source <(canirun completion bash)
_canirun() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} IFS=$'\n'
  COMPREPLY=()
  case $prev in
    --gpu) mapfile -t COMPREPLY < <(canirun gpus --ids 2>/dev/null | grep -i -F -- "${{cur//[\"\\]/}}" | sed 's/.*/"&"/'); return ;;
    --hardware|--models|-o|--output) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --format) mapfile -t COMPREPLY < <(compgen -W $'table\njson\nndjson\ncsv\nmarkdown\njunit\ngithub\ngitlab\nprometheus' -- "$cur"); return ;;
    completion) mapfile -t COMPREPLY < <(compgen -W $'bash\nzsh\nfish' -- "$cur"); return ;;
  esac
  if [[ $cur == -* ]]; then
    IFS=' ' mapfile -t COMPREPLY < <(IFS=' '; compgen -W "{}" -- "$cur")
  else
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -W "$(canirun models --ids 2>/dev/null)"$'\n{}' -- "$cur"; compgen -f -X '!*.gguf' -- "$cur")
  fi
}}
complete -F _canirun canirun
)sh",
                     all, fmt::join(command_names(), "\\n"));
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
    const auto help = without(f.help, "[]:'\"`");
    for (const auto& n : words_of(f.names)) {
      const std::string_view action = !f.takes_value ? ""
                                      : n == "--gpu" ? ":GPU:_canirun_gpus"
                                      : n == "--hardware" || n == "--models" || n == "-o" || n == "--output" ? ":file:_files"
                                                                                                             : ":value: ";
      specs += fmt::format("    '*{}[{}]{}' \\\n", n, help, action);
    }
  }
  return fmt::format(R"sh(#compdef canirun
# zsh completion for canirun: canirun completion zsh > _canirun, in a folder of $fpath
_canirun_models() {{
  local -a models; models=(${{(f)"$(canirun models --ids 2>/dev/null)"}} {})
  _describe model models; _files -g '*.gguf'
}}
_canirun_gpus() {{
  local -a gpus; gpus=(${{(f)"$(canirun gpus --ids 2>/dev/null)"}})
  _describe GPU gpus
}}
_canirun() {{
  _arguments \
{}    '*:model:_canirun_models'
}}
_canirun "$@"
)sh",
                     fmt::join(command_names(), " "), specs);
}

std::string fish(const std::vector<FlagInfo>& flags)
{
  std::string out = "# fish completion for canirun: canirun completion fish > ~/.config/fish/completions/canirun.fish\n";
  out += "complete -c canirun -f -a '(canirun models --ids 2>/dev/null)'\n";
  out += fmt::format("complete -c canirun -n __fish_use_subcommand -a '{}'\n", fmt::join(command_names(), " "));
  for (const auto& f : flags) {
    out += "complete -c canirun";
    for (const auto& n : words_of(f.names)) out += n.starts_with("--") ? " -l " + n.substr(2) : " -s " + n.substr(1);
    if (f.takes_value)
      out += f.names.find("--gpu") == 0 && f.names == "--gpu" ? " -x -a '(canirun gpus --ids 2>/dev/null)'" : " -r";
    out += fmt::format(" -d '{}'\n", without(f.help, "'\\"));
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
  return fail(ErrorKind::invalid_argument, "completion needs a shell: bash, zsh or fish");
}

}  // namespace canirun
