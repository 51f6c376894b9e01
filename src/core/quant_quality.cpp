#include "canirun/core/quant_quality.hpp"

#include <algorithm>
#include <array>

namespace canirun {

namespace {

// llama.cpp tools/perplexity/README.md (revision f364eb6f): Llama 3 8B, wikitext-2, RTX 4090; with an importance matrix of 10 million
// tokens where there is no run without one.
constexpr auto k_qualities = std::to_array<QuantQuality>({
    {FileType::F16, false, 0.000551, 0.0002},
    {FileType::Q8_0, false, 0.001355, 0.0004},
    {FileType::Q6_K, false, 0.005452, 0.0035},
    {FileType::Q5_K_M, false, 0.010762, 0.0091},
    {FileType::Q5_K_S, false, 0.016595, 0.0168},
    {FileType::Q5_1, false, 0.018045, 0.0170},
    {FileType::Q5_0, false, 0.022239, 0.0211},
    {FileType::Q4_K_M, false, 0.031273, 0.0282},
    {FileType::Q4_K_S, false, 0.043136, 0.0431},
    {FileType::IQ4_NL, true, 0.035742, 0.0359},
    {FileType::IQ4_XS, true, 0.036334, 0.0366},
    {FileType::Q4_1, false, 0.071683, 0.0724},
    {FileType::Q4_0, false, 0.071940, 0.0752},
    {FileType::Q3_K_L, false, 0.087176, 0.0893},
    {FileType::Q3_K_M, false, 0.101913, 0.1054},
    {FileType::IQ3_M, true, 0.102534, 0.1070},
    {FileType::IQ3_S, true, 0.111278, 0.1178},
    {FileType::IQ3_XS, true, 0.138693, 0.1495},
    {FileType::IQ3_XXS, true, 0.183625, 0.1969},
    {FileType::Q3_K_S, false, 0.228217, 0.2619},
    {FileType::IQ2_M, true, 0.325989, 0.3802},
    {FileType::Q2_K, false, 0.445132, 0.5648},
    {FileType::Q2_K_S, true, 0.403360, 0.4962},
    {FileType::IQ2_S, true, 0.439197, 0.5487},
    {FileType::IQ2_XS, true, 0.546290, 0.7269},
    {FileType::IQ2_XXS, true, 0.812022, 1.2613},
    {FileType::IQ1_M, true, 1.393084, 3.0910},
    {FileType::IQ1_S, true, 2.254554, 8.7398},
});

}  // namespace

std::string_view QuantQuality::words() const
{
  // Q6_K and more, down to Q4_K_S, down to Q3_K_M, down to Q2_K, and below.
  if (kl_divergence < 0.01) return "nothing that shows";
  if (kl_divergence < 0.05) return "little";
  if (kl_divergence < 0.11) return "some";
  return kl_divergence < 0.6 ? "much" : "too much";
}

std::optional<QuantQuality> quality_of(FileType quant)
{
  const auto found = std::ranges::find(k_qualities, quant, &QuantQuality::quant);
  return found == k_qualities.end() ? std::nullopt : std::optional(*found);
}

}  // namespace canirun
