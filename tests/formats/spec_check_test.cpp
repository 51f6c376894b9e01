#include "formats/spec_check.hpp"

#include "canirun/core/tensor_plan.hpp"
#include "canirun/formats/catalogue.hpp"
#include "catch.hpp"
#include "laws.hpp"

using namespace canirun;

namespace {

/// A model of two layers whose mixer is of one kind, with every width that the kind needs.
ModelSpec with_mixer(std::string arch, SsmKind kind)
{
  ModelSpec m;
  m.id = m.arch = std::move(arch);
  m.n_ctx_train = 2048;
  m.n_layer = 2;
  m.n_embd = 64;
  m.n_vocab = 100;
  m.n_head = 4;
  m.n_head_kv = 2;
  m.n_ff = 96;
  m.head_dim_k = m.head_dim_v = m.n_rot = 16;
  auto& s = m.ssm.emplace();
  s.kind = kind;
  s.d_conv = 4;
  s.d_inner = 128;
  s.d_state = 16;
  s.n_group = 2;
  s.dt_rank = 8;
  s.head_dim = 16;
  s.n_lora_decay = s.n_lora_iclr = s.n_lora_value = s.n_lora_gate = s.time_mix_extra = s.time_decay_extra = 8;
  complete(m);
  return m;
}

template <typename Change>
std::string problem(std::string arch, SsmKind kind, Change change)
{
  auto m = with_mixer(std::move(arch), kind);
  change(m);
  return invalid(m).value_or("");
}

const auto k_as_it_is = [](ModelSpec&) {};

}  // namespace

TEST_CASE("a recurrent mixer with all its widths is valid and can be planned", "[formats][ssm]")
{
  const std::pair<const char*, SsmKind> all[] = {
      {"mamba", SsmKind::mamba1}, {"mamba2", SsmKind::mamba2}, {"rwkv6", SsmKind::rwkv6}, {"rwkv7", SsmKind::rwkv7}};
  for (const auto& [arch, kind] : all) {
    CAPTURE(arch);
    CHECK(problem(arch, kind, k_as_it_is) == "");
    const auto spec = with_mixer(arch, kind);
    REQUIRE_FALSE(unplannable(spec));
    CHECK(broken_law(tensor_plan(spec, FileType::F16)).value_or("") == "");
  }
}

TEST_CASE("a width of a recurrent mixer that no model has is refused before it is multiplied", "[formats][ssm]")
{
  using Width = std::uint32_t SsmSpec::*;
  for (const Width width :
       {&SsmSpec::d_conv, &SsmSpec::d_inner, &SsmSpec::d_state, &SsmSpec::n_group, &SsmSpec::dt_rank, &SsmSpec::head_dim,
        &SsmSpec::n_lora_decay, &SsmSpec::n_lora_iclr, &SsmSpec::n_lora_value, &SsmSpec::n_lora_gate, &SsmSpec::time_mix_extra,
        &SsmSpec::time_decay_extra, &SsmSpec::token_shift_count}) {
    for (const auto value : {(1U << 20U) + 1, 4294967295U}) {
      const auto said = problem("mamba", SsmKind::mamba1, [&](ModelSpec& m) { (*m.ssm).*width = value; });
      CHECK(said == "ssm: " + std::to_string(value) + " is more than 1048576");
    }
  }
}

TEST_CASE("heads and groups of a recurrent mixer divide what they share", "[formats][ssm]")
{
  for (const auto kind : {SsmKind::mamba2, SsmKind::gated_delta}) {
    for (const std::uint32_t heads : {0U, 3U, 256U}) {
      CAPTURE(heads);
      CHECK(problem("mamba2", kind, [&](ModelSpec& m) { m.ssm->dt_rank = heads; }) ==
            "ssm.dt_rank: " + std::to_string(heads) + " heads do not divide d_inner 128");
    }
  }
  // Groups share the inner width of Mamba-2, and the value heads of the gated delta rule.
  for (const std::uint32_t groups : {0U, 3U, 129U}) {
    CHECK(problem("mamba2", SsmKind::mamba2, [&](ModelSpec& m) { m.ssm->n_group = groups; }) ==
          "ssm.n_group: " + std::to_string(groups) + " groups do not divide 128");
    CHECK(problem("qwen3next", SsmKind::gated_delta, [&](ModelSpec& m) {
            m.ssm->n_group = groups;
            m.moe.emplace().n_expert = 4;
            m.moe->n_expert_used = 2;
          }) == "ssm.n_group: " + std::to_string(groups) + " groups do not divide 8");
  }
  for (const auto kind : {SsmKind::rwkv6, SsmKind::rwkv7}) {
    for (const std::uint32_t width : {0U, 3U, 128U}) {
      CHECK(problem("rwkv6", kind, [&](ModelSpec& m) { m.ssm->head_dim = width; }) ==
            "ssm.head_dim: heads of " + std::to_string(width) + " do not divide n_embd 64");
    }
    CHECK(problem("rwkv6", kind, [](ModelSpec& m) { m.ssm->d_conv = 0; }) == "");  // RWKV convolves nothing
  }
  for (const auto kind : {SsmKind::mamba1, SsmKind::mamba2, SsmKind::shortconv}) {
    CHECK(problem("mamba", kind, [](ModelSpec& m) { m.ssm->d_conv = 0; }) ==
          "ssm.d_conv: the width of the convolution is missing");
  }
}

TEST_CASE("a model of latent attention is refused without its widths", "[formats][catalogue]")
{
  const auto catalogue = Catalogue::builtin().value();
  int n = 0;
  for (const auto& entry : catalogue.entries()) {
    if (!entry.spec.mla || unplannable(entry.spec)) continue;
    auto spec = entry.spec;
    spec.mla.reset();
    CAPTURE(spec.id, spec.arch);
    CHECK(invalid(spec).value_or("").starts_with("mla: "));
    ++n;
  }
  CHECK(n > 0);
}
