#include <algorithm>
#include <fmt/format.h>

#include "describe.hpp"
#include "emit/emitters.hpp"
#include "text.hpp"

namespace canirun {

namespace {

std::string need_text(const QuantReport& row)
{
  std::string text;
  for (const auto& d : row.devices) {
    if (d.parts.total().count == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", size_text(d.parts.total()),
                        d.device == "host" ? "of RAM" : fmt::format("on {} ({})", d.device, d.name));
  }
  return text;
}

}  // namespace

bool is_own_file(const EmitRequest& request)
{
  const auto& source = request.model.source;
  return request.row.file == source || source == request.row.file + "/config.json";
}

std::string describe_run(const EmitRequest& request)
{
  const auto& [report, model, row] = request;
  const auto quant = quant_text(row);
  const auto line = [](std::string_view text) { return fmt::format("# {}\n", clean(text)); };
  auto out = line(fmt::format("{} at {}, {} tokens of context: {}", model.name, quant, model.n_ctx, need_text(row)));
  if (is_own_file(request)) return out;
  if (loads_checkpoints(report.workload.runtime)) {
    if (row.file == model.hf_repo) return out + line(fmt::format("weights: huggingface.co/{}", model.hf_repo));
    return out + line(fmt::format("{} stands for a folder or repository with {} weights of {}", row.file, quant,
                                  model.hf_repo.empty() ? model.name : "huggingface.co/" + model.hf_repo));
  }
  return out + line(fmt::format("{} stands for a GGUF file of {} at {} (convert_hf_to_gguf.py, llama-quantize)", row.file,
                                model.hf_repo.empty() ? model.name : "huggingface.co/" + model.hf_repo, quant));
}

std::string safe_name(const ModelReport& model)
{
  std::string out;
  for (const char c : model.id) {
    if (c >= 'A' && c <= 'Z') out += static_cast<char>(c - 'A' + 'a');
    else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) out += c;
    else if (!out.empty() && out.back() != '-') out += '-';
    if (out.size() == 63) break;
  }
  while (!out.empty() && out.back() == '-') out.pop_back();
  // A DNS label of a Service starts with a letter (RFC 1035).
  if (out.empty() || (out.front() >= '0' && out.front() <= '9')) out = ("model-" + out).substr(0, 63);
  while (out.back() == '-') out.pop_back();
  return out;
}

std::string base_name(std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); }

std::string folder_of(std::string_view path)
{
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

std::string explicit_path(std::string_view path)
{
  return path == "." || path.starts_with('/') || path.starts_with("./") || path.starts_with("../") ? std::string(path)
                                                                                                   : fmt::format("./{}", path);
}

}  // namespace canirun
