#include <algorithm>
#include <vector>

#include "canirun/core/check.hpp"
#include "command_line.hpp"
#include "exercise.hpp"
#include "run.hpp"

namespace {

/// A file that is named could be anything on the machine that fuzzes.
bool names_a_file(const std::string& word) { return word.empty() || word == "-" || word.find('/') != std::string::npos; }

canirun::Environment environment()
{
  canirun::Environment env;
  env.data.data_dir = CANIRUN_FUZZ_DATA;  // a few models and cards: the answer is quick
  env.locale = "C.UTF-8";
  return env;
}

canirun::ModelSpec small_model()
{
  canirun::ModelSpec m;
  m.id = "small";
  m.arch = "llama";
  m.n_ctx_train = 32768;
  m.n_layer = 4;
  m.n_embd = 1024;
  m.n_vocab = 32000;
  m.n_head = 16;
  m.n_head_kv = 4;
  m.n_ff = 4096;
  m.head_dim_k = m.head_dim_v = m.n_rot = 64;
  return m;
}

}  // namespace

/// Any words are a question or an error, and a question about a given machine is answered: lines of the input are the arguments.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  std::vector<std::string> arguments;
  std::string_view left(reinterpret_cast<const char*>(data), size);
  while (!left.empty() && arguments.size() < 64) {
    const auto end = std::min(left.find('\n'), left.size());
    arguments.emplace_back(left.substr(0, end));
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  auto options = canirun::parse_command_line(arguments);
  if (!options) {
    if (options.error().message.empty()) __builtin_trap();
    return 0;
  }
  // This machine is neither examined nor measured, and nothing is written to it.
  if (options->command == canirun::Command::doctor || options->machine.measure) return 0;
  if (std::ranges::any_of(options->words, names_a_file) || std::ranges::any_of(options->catalogue_files, names_a_file)) return 0;
  options->machine.hardware = CANIRUN_FUZZ_DATA "/machine.json";
  options->output = "/dev/null";
  // Each quantisation costs the same: of `--quant all` a few show what one input may cost at most.
  options->question.quants.resize(std::min<std::size_t>(options->question.quants.size(), 8));
  const auto status = canirun::answer(*options, environment());
  if (status ? *status != 0 && *status != 1 : status.error().message.empty()) __builtin_trap();

  options->question.quants.resize(std::min<std::size_t>(options->question.quants.size(), 1));
  canirun::require(canirun::broken_law(canirun::evaluate(small_model(), {}, canirun::a_machine(), options->question)));
  return 0;
}
