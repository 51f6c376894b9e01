#include <algorithm>
#include <sstream>

#include "catch.hpp"
#include "properties/sample.hpp"

using namespace canirun;

namespace {

/// The placement that a row's command line states, as a user would give it back; nothing when the row has none.
std::optional<PlacementRequest> pasted(const QuantReport& row, std::size_t n_gpus)
{
  PlacementRequest request{
      .n_gpu_layers = 0, .n_cpu_moe = {}, .tensor_split = {}, .backend = row.placement.backend};  // cpu: --device none
  std::istringstream words(row.command);
  std::vector<double> shares;
  for (std::string word, value; words >> word;) {
    if (word == "-ngl" && words >> value) request.n_gpu_layers = std::stoi(value);
    if (word == "--cpu-moe") request.n_cpu_moe = UINT32_MAX;
    if (word == "--n-cpu-moe" && words >> value) request.n_cpu_moe = static_cast<std::uint32_t>(std::stoul(value));
    if (word != "--tensor-split" || !(words >> value)) continue;
    std::istringstream list(value);
    for (std::string share; std::getline(list, share, ',');) shares.push_back(std::stod(share));
  }
  if (row.placement.gpus.size() == 1) shares = {1};
  if (shares.size() != row.placement.gpus.size()) return std::nullopt;
  if (shares.empty()) return request;
  request.tensor_split.assign(n_gpus, 0);
  for (std::size_t i = 0; i < shares.size(); ++i) request.tensor_split.at(row.placement.gpus[i]) = shares[i];
  return request;
}

/// What each device holds, the host last.
std::vector<MemoryParts> memory_of(const QuantReport& row)
{
  std::vector<MemoryParts> parts;
  for (const auto& device : row.devices) parts.push_back(device.parts);
  return parts;
}

QuantReport only_row(const ModelSpec& model, const HardwareProfile& machine, const Question& question)
{
  const auto report = evaluate(model, {}, machine, question);
  REQUIRE(report.quants.size() == 1);
  return report.quants.front();
}

}  // namespace

TEST_CASE("a row's placement pasted back gives its figures, at its largest context too", "[property]")
{
  Draw draw(11);
  int placed = 0, limited = 0;
  for (int i = 0; i < 800; ++i) {
    const auto& model = planned_models()[draw.below(planned_models().size())]->spec;
    const auto machine = draw_machine(draw);
    auto question = draw_question(draw, model);
    question.workload.n_ctx = draw.of<std::uint32_t>({0, 512, 4096, 32768});
    question.quants = {draw.of({FileType::Q4_K_M, FileType::Q2_K, FileType::Q8_0})};
    question.placement = {};
    const auto row = only_row(model, machine, question);
    const auto placement = row.fits ? pasted(row, machine.gpus.size()) : std::nullopt;
    if (!placement) continue;
    ++placed;
    question.placement = *placement;
    CAPTURE(model.id, row.command);
    const auto again = only_row(model, machine, question);
    CHECK(again.fits);
    CHECK(memory_of(again) == memory_of(row));
    if (!row.max_ctx) continue;
    question.workload.n_ctx = *row.max_ctx;
    CAPTURE(*row.max_ctx, model.n_ctx_train);
    CHECK(only_row(model, machine, question).fits);
    question.workload.n_ctx += 256;
    if (question.workload.n_ctx > model.n_ctx_train) continue;
    ++limited;
    CHECK_FALSE(only_row(model, machine, question).fits);
  }
  CHECK(placed >= 300);
  CHECK(limited >= 30);
}

TEST_CASE("no placement needs a Vulkan buffer above 4 GiB", "[property]")
{
  const auto* entry = catalogue().find("qwen3-30b-a3b");
  REQUIRE(entry);
  HardwareProfile machine;
  machine.memory.total = Bytes{std::uint64_t{256} << 30};
  const auto card = gpu_table().lookup("RX 7900 XTX", std::nullopt);
  REQUIRE(card);
  machine.gpus.assign(4, card->gpus.front());
  Question question;
  question.quants = {FileType::Q4_K_M};
  question.placement.backend = Backend::vulkan;
  question.workload.n_ctx = 70016;
  CHECK_FALSE(only_row(entry->spec, machine, question).placement.gpus.empty());
  question.workload.flash_attn = FlashAttention::off;  // 32 heads · 70,144 cells · 512 tokens · 4 bytes = 4.3 GiB
  CHECK(only_row(entry->spec, machine, question).placement.gpus.empty());
  question.placement.n_gpu_layers = -1;
  const auto stated = only_row(entry->spec, machine, question);
  CHECK_FALSE(stated.fits);
  CHECK(std::ranges::any_of(stated.notes, [](const auto& note) { return note.find("Vulkan buffer") != std::string::npos; }));
  question.workload.n_ubatch = 256;
  CHECK(only_row(entry->spec, machine, question).fits);
}
