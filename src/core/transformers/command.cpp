#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <vector>

#include "canirun/core/command.hpp"
#include "torch.hpp"

namespace canirun {

namespace {

std::string_view dtype_of(const RunRequest& request)
{
  if (request.checkpoint == CheckpointType::f32) return "float32";
  if (request.checkpoint == CheckpointType::f16) return "float16";
  // Before Ampere there are no bfloat16 units.
  const auto& gpus = request.hardware.gpus;
  const bool none = std::ranges::any_of(request.placement.gpus, [&](std::size_t g) {
    return gpus[g].architecture == "Turing" || gpus[g].architecture == "Volta" || gpus[g].architecture == "Pascal" ||
           gpus[g].architecture == "Maxwell";
  });
  return none ? "float16" : "bfloat16";
}

std::string quantisation(CheckpointType type, std::string_view dtype)
{
  if (type == CheckpointType::int8) return ", quantization_config=BitsAndBytesConfig(load_in_8bit=True)";
  if (type != CheckpointType::nf4) return "";
  return fmt::format(
      ", quantization_config=BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type=\"nf4\", bnb_4bit_compute_dtype=torch.{})",
      dtype);
}

/// What a graded row gives to each device, where accelerate would choose otherwise: a part in RAM.
std::string limits(const RunRequest& request)
{
  if (request.placement.mode != Placement::Mode::split) return "";
  std::string out = ", max_memory={";
  for (std::size_t i = 0; i < request.weights.size(); ++i)
    out += fmt::format("{}: \"{}MiB\", ", i, (request.weights[i].count >> 20) + 1);
  return out + "\"cpu\": \"1TiB\"}";
}

}  // namespace

std::string transformers_command(const RunRequest& request)
{
  const auto type = request.checkpoint.value_or(CheckpointType::bf16);
  const auto dtype = dtype_of(request);
  const bool quantises = type == CheckpointType::nf4 || type == CheckpointType::int8;
  const auto& p = request.placement;
  const auto device = p.gpus.empty()                                          ? std::string("cpu")
                      : p.gpus.size() > 1 || p.mode == Placement::Mode::split ? std::string("auto")
                                                                              : std::string(torch_device(p.backend));
  std::string code = "import torch; from transformers import AutoModelForCausalLM, AutoTokenizer";
  if (quantises) code += ", BitsAndBytesConfig";
  code += fmt::format("; n = {}; t = AutoTokenizer.from_pretrained(n); ", python_string(request.file));
  code += fmt::format("m = AutoModelForCausalLM.from_pretrained(n, torch_dtype=torch.{}, device_map=\"{}\"{}{}); ", dtype, device,
                      limits(request), quantisation(type, dtype));
  code += "i = t(\"PROMPT\", return_tensors=\"pt\").to(m.device); ";
  code += "print(t.decode(m.generate(**i, max_new_tokens=256)[0], skip_special_tokens=True))";
  std::vector<std::string> words;
  // accelerate spreads over every GPU it sees.
  const auto of_kind = [&](const Gpu& g) {
    return g.type != GpuType::cpu && g.vendor == request.hardware.gpus[p.gpus.front()].vendor;
  };
  if (!p.gpus.empty() && p.gpus.size() < static_cast<std::size_t>(std::ranges::count_if(request.hardware.gpus, of_kind))) {
    std::vector<std::ptrdiff_t> numbers;
    for (const auto g : p.gpus) {
      const auto end = request.hardware.gpus.begin() + static_cast<std::ptrdiff_t>(g);
      numbers.push_back(std::count_if(request.hardware.gpus.begin(), end, of_kind));
    }
    words = {"env", fmt::format("{}={}", p.backend == Backend::rocm ? "HIP_VISIBLE_DEVICES" : "CUDA_VISIBLE_DEVICES",
                                fmt::join(numbers, ","))};
  }
  words.insert(words.end(), {"python3", "-c", code});
  return shell_line(words);
}

std::string python_string(std::string_view text)
{
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= ' ') out += c;
  }
  return out + "\"";
}

}  // namespace canirun
