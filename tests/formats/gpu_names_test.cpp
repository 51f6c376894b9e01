#include "canirun/formats/gpu_table.hpp"

#include <fmt/format.h>

#include "catch.hpp"

using namespace canirun;

namespace {

/// What is typed and what must be understood: "COUNT x id GiB"; what cannot be understood: "? " and words that the answer must hold.
struct Typed {
  const char* text;
  const char* meant;
};

// clang-format off
constexpr Typed k_typed[] = {
    // Numbers without their series, in any case, with or without blanks and dashes.
    {"4090", "1 x geforce-rtx-4090 24"},                 {"rtx4090", "1 x geforce-rtx-4090 24"},
    {"rtx-3090", "1 x geforce-rtx-3090 24"},             {"RTX_3090", "1 x geforce-rtx-3090 24"},
    {"4070 ti super", "1 x geforce-rtx-4070-ti-super 16"}, {"3060ti", "1 x geforce-rtx-3060-ti 8"},
    {"1660 super", "1 x geforce-gtx-1660-super 6"},      {"1080ti", "1 x geforce-gtx-1080-ti 11"},
    {"4090D", "1 x geforce-rtx-4090-d 24"},              {"GTX 970", "1 x geforce-gtx-970 4"},
    {"7900xtx", "1 x radeon-rx-7900-xtx 24"},            {"RX 7900 GRE", "1 x radeon-rx-7900-gre 16"},
    {"6700xt", "1 x radeon-rx-6700-xt 12"},              {"A770 16GB", "1 x arc-a770-16gb 16"},
    {"B580", "1 x arc-b580 12"},                         {"Arc A770 16GB", "1 x arc-a770-16gb 16"},
    {"W7900", "1 x radeon-pro-w7900 48"},                {"R9700", "1 x radeon-ai-pro-r9700 32"},
    {"A6000", "1 x rtx-a6000 48"},                       {"8060S:64G", "1 x radeon-8060s-ryzen-ai-max+-395 64"},
    // Laptops.
    {"RTX 4090 laptop", "1 x geforce-rtx-4090-laptop-gpu 16"}, {"RTX 3060 mobile", "1 x geforce-rtx-3060-mobile 6"},
    {"NVIDIA GeForce RTX 3060 Laptop GPU", "1 x geforce-rtx-3060-mobile 6"},
    {"RTX 5090 laptop", "1 x geforce-rtx-5090-max-q-mobile 24"},
    // Several, before and behind the name.
    {"2x RTX 3090", "2 x geforce-rtx-3090 24"},          {"2xRTX 3090", "2 x geforce-rtx-3090 24"},
    {"2x4090", "2 x geforce-rtx-4090 24"},               {"2 x 3090", "2 x geforce-rtx-3090 24"},
    {"3090x2", "2 x geforce-rtx-3090 24"},               {"RTX 3090 x2", "2 x geforce-rtx-3090 24"},
    {"RTX 3090 x 4", "4 x geforce-rtx-3090 24"},         {"2\xC3\x97 RTX 3090", "2 x geforce-rtx-3090 24"},
    {"RTX 3090:24G x2", "2 x geforce-rtx-3090 24"},      {"8xH100", "8 x h100-sxm5-80gb 80"},
    {"4x A100 80GB", "4 x a100-sxm4-80gb 80"},           {"7900 XT", "1 x radeon-rx-7900-xt 20"},
    // Data centres, as people and as drivers write them.
    {"A100", "1 x a100-sxm4-40gb 40"},                   {"A100 40GB", "1 x a100-sxm4-40gb 40"},
    {"NVIDIA A100-PCIE-40GB", "1 x a100-pcie-40gb 40"},  {"NVIDIA A100-SXM4-80GB", "1 x a100-sxm4-80gb 80"},
    {"H100", "1 x h100-sxm5-80gb 80"},                   {"H100 PCIe", "1 x h100-pcie 80"},
    {"NVIDIA H100 80GB HBM3", "1 x h100-sxm5-80gb 80"},  {"H200", "1 x h200-sxm 141"},
    {"B200", "1 x b200 180"},                            {"B300", "1 x b300 288"},
    {"MI300X", "1 x instinct-mi300x 192"},               {"MI50 32GB", "1 x instinct-mi50 32"},
    {"MI250X", "2 x instinct-mi250x 64"},                {"T4", "1 x tesla-t4 16"},
    {"L4", "1 x l4 24"},                                 {"L40S", "1 x l40s 48"},
    {"A10G", "1 x a10g 24"},                             {"P40", "1 x tesla-p40 24"},
    {"Tesla V100-SXM2-16GB", "1 x tesla-v100-sxm2-16gb 16"}, {"K80", "2 x tesla-k80 12"},
    // Workstations: one number, several generations.
    {"Quadro RTX 6000", "1 x quadro-rtx-6000 24"},       {"RTX 6000 Ada", "1 x rtx-6000-ada-generation 48"},
    {"NVIDIA RTX 6000 Ada Generation", "1 x rtx-6000-ada-generation 48"}, {"RTX A4000", "1 x rtx-a4000 16"},
    {"RTX PRO 6000 Blackwell", "1 x rtx-pro-6000-blackwell-workstation-edition 96"},
    {"RTX PRO 6000 Max-Q", "1 x rtx-pro-6000-blackwell-max-q-workstation-edition 96"},
    // Sizes.
    {"GTX 1060 3GB", "1 x geforce-gtx-1060-3gb 3"},      {"GTX 1060", "1 x geforce-gtx-1060-3gb 3"},
    {"3060 12gb", "1 x geforce-rtx-3060 12"},            {"RTX 2080 Ti 22GB", "1 x geforce-rtx-2080-ti 22"},
    {"RX 580 8GB", "1 x radeon-rx-580 8"},               {"RX 9060 XT 16GB", "1 x radeon-rx-9060-xt 16"},
    // Memory shared with the CPU.
    {"M1", "1 x apple-m1 8"},                            {"M3 Max 64GB", "1 x apple-m3-max-40-core-gpu 64"},
    {"M4 Pro 24GB", "1 x apple-m4-pro 24"},              {"M2 Ultra 192G", "1 x apple-m2-ultra 192"},
    {"Apple M2 Pro:32G", "1 x apple-m2-pro 32"},         {"Strix Halo 128GB", "1 x radeon-8060s-ryzen-ai-max+-395 128"},
    {"Ryzen AI Max+ 395:96G", "1 x radeon-8060s-ryzen-ai-max+-395 96"}, {"DGX Spark", "1 x gb10-dgx-spark 128"},
    {"GB10", "1 x gb10-dgx-spark 128"},                  {"Jetson Orin Nano", "1 x jetson-orin-nano-4gb 4"},
    {"Radeon 780M 32GB", "1 x radeon-780m-ddr5-5600 32"}, {"Steam Deck", "1 x steam-deck-apu-van-gogh 16"},
    {"BC-250", "1 x bc-250 16"},                         {"Adreno X1-85:32G", "1 x snapdragon-x-elite-x1e 32"},
    // No size of its own: the machine's RAM (here 20 GiB).
    {"Iris Xe", "1 x iris-xe-graphics-80eu-96eu-lpddr4x-4266 20"}, {"UHD 770", "1 x uhd-graphics-770 20"},
    {"Intel(R) Iris(R) Xe Graphics (TGL GT2)", "1 x iris-xe-graphics-80eu-96eu-lpddr4x-4266 20"},
    // What can be several cards, or none.
    {"V100", "? can be Tesla V100 PCIe 16GB, Tesla V100 PCIe 32GB, Tesla V100 SXM2 16GB, Tesla V100 SXM2 32GB"},
    {"P100", "? can be Tesla P100 PCIe 12GB, Tesla P100 PCIe 16GB, Tesla P100 SXM2 16GB; name one"},
    {"Mac Studio M2 Ultra", "? did you mean Apple M2 Ultra"}, {"4070tis", "? did you mean GeForce RTX 4070 Ti SUPER"},
    {"RTX 3090 + RTX 3060", "? state several by --gpu"}, {"GeForce", "? `canirun gpus` lists all"},
    {"AMD Radeon Graphics (RADV RAPHAEL_MENDOCINO)", "? no GPU is called"}, {"65x RTX 3090", "? 1 to 64 GPUs"},
    {"RTX 3090 x0", "? 1 to 64 GPUs"},
};
// clang-format on

}  // namespace

TEST_CASE("a card is understood as people type it, or the choices are named", "[formats][gpus]")
{
  const auto table = GpuTable::builtin();
  REQUIRE(table);
  for (const auto& typed : k_typed) {
    CAPTURE(typed.text);
    const std::string_view meant(typed.meant);
    const auto match = table->lookup(typed.text, {}, Bytes{20ULL << 30U});
    if (meant.starts_with("? ")) {
      REQUIRE_FALSE(match);
      INFO(match.error().message);
      CHECK(match.error().message.find(meant.substr(2)) != std::string::npos);
      continue;
    }
    if (!match) FAIL(match.error().message);
    const auto& gpu = match->gpus.front();
    CHECK(fmt::format("{} x {} {:.0f}", match->gpus.size(), *gpu.table_id, to_gib(gpu.memory_total->bytes()).value) == meant);
  }
}

TEST_CASE("a stated RAM is the pool of a GPU that shares memory, unless its name has a size", "[formats][gpus]")
{
  const auto table = GpuTable::builtin();
  REQUIRE(table);
  const auto pool = [&](std::string_view text) {
    return to_gib(table->lookup(text, Bytes{96ULL << 30U}, Bytes{20ULL << 30U})->gpus.front().memory_total->bytes()).value;
  };
  CHECK(pool("Strix Halo") == 96);
  CHECK(pool("Strix Halo 64GB") == 64);
  CHECK(pool("Radeon 780M") == 96);
  CHECK(pool("RTX 4090") == 24);
}

TEST_CASE("a search in the table finds what --gpu would take, and a number is not found within a longer one", "[gpus]")
{
  const auto table = GpuTable::builtin();
  REQUIRE(table);
  const auto names = [&](std::string_view text) {
    std::vector<std::string> out;
    for (const auto* e : table->search(text)) out.push_back(e->name);
    return out;
  };
  CHECK(names("2x RTX 3090") == names("RTX 3090"));
  CHECK(names("3060 12GB") == std::vector<std::string>{"GeForce RTX 3060"});
  CHECK(names("M3 Max 64GB") == std::vector<std::string>{"Apple M3 Max (40-core GPU)"});
  CHECK(names("Strix Halo 128GB") == names("Strix Halo"));
  CHECK(!names("A100").empty());
  for (const auto& name : names("A100")) CHECK(name.find("A1000") == std::string::npos);
  CHECK(names("RTX 30").size() > 10);  // the beginning of a number, where no name holds it whole
  CHECK(names("no such card").empty());
}
