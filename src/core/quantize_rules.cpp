#include "quantize_rules.hpp"

#include <array>
#include <initializer_list>
#include <span>

namespace canirun {

namespace {

using F = FileType;
using T = TensorType;
using FileTypes = std::uint64_t;

constexpr FileTypes bit(F type) { return FileTypes{1} << static_cast<unsigned>(type); }

constexpr FileTypes set(std::initializer_list<F> types)
{
  FileTypes bits = 0;
  for (const auto type : types) bits |= bit(type);
  return bits;
}

constexpr FileTypes k_any = ~FileTypes{0};
constexpr FileTypes k_iq2_large = set({F::IQ2_S, F::IQ2_M});
constexpr FileTypes k_iq1 = set({F::IQ1_S, F::IQ1_M});
constexpr FileTypes k_low_bit_iq = k_iq1 | k_iq2_large | set({F::IQ2_XXS, F::IQ2_XS});
constexpr FileTypes k_others = ~k_low_bit_iq;
constexpr FileTypes k_iq4 = set({F::IQ4_NL, F::IQ4_XS});

/// `type` where the file type is one of `files`, all of `need` hold and none of `unless`. The first rule that fits decides.
struct Rule {
  FileTypes files;
  Conditions need;
  Conditions unless;
  T type;
};

// Also for the token embedding of a model without an output matrix, which serves as one.
constexpr auto k_output = std::to_array<Rule>({
    {k_any, k_falcon, 0, T::q8_0},
    {k_any, k_odd_width, 0, T::q8_0},
    {k_low_bit_iq | bit(F::IQ3_XXS), 0, 0, T::q5_K},
    {bit(F::Q8_0), 0, 0, T::q8_0},
    {k_any, 0, 0, T::q6_K},
});

constexpr auto k_token_embd = std::to_array<Rule>({
    {k_iq1 | set({F::IQ2_XXS, F::IQ2_XS}), 0, 0, T::q2_K},
    {k_iq2_large | bit(F::IQ3_XXS), 0, 0, T::iq3_s},
    {set({F::TQ1_0, F::TQ2_0, F::Q2_0}), 0, 0, T::q4_K},
});

constexpr auto k_attn_q = std::to_array<Rule>({
    {bit(F::IQ3_XS), 0, 0, T::iq3_xxs},
    {bit(F::IQ3_XXS), 0, 0, T::iq2_s},
});

constexpr auto k_attn_k = std::to_array<Rule>({
    {k_low_bit_iq, k_experts8, 0, T::q4_K},
    {k_others, k_experts8, 0, T::q8_0},
    {bit(F::IQ3_XS), 0, 0, T::iq3_xxs},
    {bit(F::IQ3_XXS), 0, 0, T::iq2_s},
});

constexpr auto k_attn_v = std::to_array<Rule>({
    {k_low_bit_iq, k_gqa4, 0, T::q4_K},
    {k_low_bit_iq, k_experts4, 0, T::q4_K},
    {k_iq2_large, 0, 0, T::iq3_s},
    {k_low_bit_iq, 0, 0, T::q2_K},
    {k_others, k_experts8, 0, T::q8_0},
    {bit(F::Q2_K), k_gqa4, 0, T::q4_K},
    {bit(F::Q2_K), 0, 0, T::q3_K},
    {set({F::Q2_K_S, F::IQ3_XXS, F::IQ3_XS, F::IQ3_S}), k_gqa4, 0, T::q4_K},
    {bit(F::IQ3_XXS), 0, k_imatrix, T::iq3_s},
    {bit(F::IQ3_M), 0, 0, T::q4_K},
    {bit(F::Q3_K_M), k_first_2, 0, T::q5_K},
    {bit(F::Q3_K_M), 0, 0, T::q4_K},
    {bit(F::Q3_K_L), 0, 0, T::q5_K},
    {k_iq4, k_gqa4, 0, T::q5_K},
    {set({F::Q4_K_M, F::Q5_K_M}), k_more_bits, 0, T::q6_K},
    {bit(F::Q4_K_S), k_first_4, 0, T::q5_K},
});

constexpr auto k_attn_qkv = std::to_array<Rule>({
    {set({F::Q3_K_M, F::Q3_K_L, F::IQ3_M}), 0, 0, T::q4_K},
    {bit(F::Q4_K_M), 0, 0, T::q5_K},
    {bit(F::Q5_K_M), 0, 0, T::q6_K},
});

constexpr auto k_attn_output = std::to_array<Rule>({
    {k_low_bit_iq, k_experts8, 0, T::q5_K},
    {k_iq1, 0, 0, T::iq2_xxs},
    {k_iq2_large, 0, 0, T::iq3_s},
    {bit(F::Q3_K_L), k_falcon, 0, T::q4_K},
    {set({F::Q2_K, F::IQ3_XS, F::IQ3_XXS, F::Q3_K_S, F::Q3_K_M, F::IQ4_NL, F::Q4_K_S, F::Q4_K_M, F::IQ3_S, F::IQ3_M, F::IQ4_XS}),
     k_experts8, k_falcon, T::q5_K},
    {bit(F::Q2_K), 0, k_falcon | k_experts8, T::q3_K},
    {bit(F::IQ3_XXS), 0, k_falcon | k_experts8, T::iq3_s},
    {set({F::Q3_K_M, F::IQ3_M}), 0, k_falcon | k_experts8, T::q4_K},
    {bit(F::Q3_K_L), 0, k_falcon | k_experts8, T::q5_K},
});

constexpr auto k_ffn_down = std::to_array<Rule>({
    {k_iq2_large, k_rank_first_eighth, 0, T::iq3_s},
    {k_low_bit_iq, k_rank_first_eighth, 0, T::q2_K},
    {bit(F::Q2_K), 0, 0, T::q3_K},
    {bit(F::Q2_K_S), k_first_eighth, 0, T::q4_K},
    {bit(F::IQ3_XXS), k_first_eighth, k_imatrix, T::q4_K},
    {bit(F::IQ3_XXS), 0, k_imatrix, T::q3_K},
    {bit(F::Q3_K_M), k_first_sixteenth, 0, T::q5_K},
    {bit(F::Q3_K_M), 0, k_falcon, T::q4_K},
    {bit(F::Q3_K_M), k_more_bits, 0, T::q4_K},
    {bit(F::IQ3_M), k_first_eighth, 0, T::q4_K},
    {bit(F::IQ3_M), k_experts8 | k_more_bits, 0, T::q4_K},
    {bit(F::Q3_K_L), k_falcon, 0, T::q4_K},
    {bit(F::Q3_K_L), 0, 0, T::q5_K},
    {bit(F::Q4_K_M), k_falcon | k_first_sixteenth, 0, T::q6_K},
    {bit(F::Q4_K_M), k_falcon | k_more_bits, 0, T::q5_K},
    {set({F::Q4_K_M, F::Q5_K_M}), k_more_bits, 0, T::q6_K},
    {k_iq4, k_first_eighth, k_imatrix, T::q5_K},
    {bit(F::Q4_K_S), k_first_eighth, k_falcon, T::q5_K},
    {bit(F::Q4_0), k_first_eighth | k_imatrix, 0, T::q4_1},
    {bit(F::Q5_0), k_first_eighth | k_imatrix, 0, T::q5_1},
});

constexpr auto k_ffn_in = std::to_array<Rule>({
    {bit(F::IQ3_XS), k_middle, 0, T::iq3_xxs},
    {bit(F::Q2_K), k_until_2024_01, 0, T::q3_K},
});

std::span<const Rule> rules(Category category)
{
  switch (category) {
    case Category::token_embd: return k_token_embd;
    case Category::output: return k_output;
    case Category::attn_q: return k_attn_q;
    case Category::attn_k: return k_attn_k;
    case Category::attn_v: return k_attn_v;
    case Category::attn_qkv: return k_attn_qkv;
    case Category::attn_output: return k_attn_output;
    case Category::ffn_up:
    case Category::ffn_gate: return k_ffn_in;
    case Category::ffn_down: return k_ffn_down;
    case Category::other: break;
  }
  return {};
}

}  // namespace

TensorType mixed_type(FileType file_type, Category category, Conditions conditions)
{
  for (const auto& rule : rules(category)) {
    if ((rule.files & bit(file_type)) != 0 && (conditions & rule.need) == rule.need && (conditions & rule.unless) == 0) {
      return rule.type;
    }
  }
  return default_tensor_type(file_type);
}

bool is_low_bit_iq(FileType file_type) { return (k_low_bit_iq & bit(file_type)) != 0; }

}  // namespace canirun
