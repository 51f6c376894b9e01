#include "canirun/formats/gguf.hpp"
#include "catch.hpp"
#include "formats/gguf_writer.hpp"
#include "laws.hpp"
#include "properties/sample.hpp"

using namespace canirun;

namespace {

/// Types of tensors as GGUF numbers them, with the bytes of a block and the weights in it (ggml.h, ggml-common.h).
struct Stored {
  std::uint32_t type;
  std::uint32_t file_type;  ///< general.file_type of a file that is mostly of this type.
  std::uint64_t block, weights;
};
constexpr Stored k_stored[] = {{0, 0, 4, 1}, {1, 1, 2, 1}, {8, 7, 34, 32}, {2, 2, 18, 32}};  // f32, f16, q8_0, q4_0

struct DrawnFile {
  std::uint32_t n_layer, n_head, n_head_kv, head, n_ff, n_vocab;
  std::uint64_t bytes = 0, weights = 0;  ///< Of all tensors.
  GgufWriter writer;

  std::uint32_t n_embd() const { return head * n_head; }
};

/// A llama of any shape, its matrices of one type, with or without a matrix for the output and experts.
DrawnFile draw_file(Draw& draw)
{
  DrawnFile f{};
  f.n_layer = static_cast<std::uint32_t>(1 + draw.below(8));
  f.n_head_kv = draw.of<std::uint32_t>({1, 2, 4});
  f.n_head = f.n_head_kv * draw.of<std::uint32_t>({1, 2, 8});
  f.head = draw.of<std::uint32_t>({32, 64, 128});
  f.n_ff = 32 * static_cast<std::uint32_t>(1 + draw.below(200));
  f.n_vocab = static_cast<std::uint32_t>(1 + draw.below(2000));
  const auto stored = k_stored[draw.below(std::size(k_stored))];
  const std::uint32_t n_expert = draw.one_in(3) ? 4 : 0;
  auto& w = f.writer;
  w.big_endian = draw.one_in(4);
  w.string("general.architecture", "llama");
  w.u32("general.file_type", stored.file_type);
  w.u32("llama.context_length", 4096);
  w.u32("llama.embedding_length", f.n_embd());
  w.u32("llama.block_count", f.n_layer);
  w.u32("llama.feed_forward_length", f.n_ff);
  w.u32("llama.attention.head_count", f.n_head);
  w.u32("llama.attention.head_count_kv", f.n_head_kv);
  if (n_expert) {
    w.u32("llama.expert_count", n_expert);
    w.u32("llama.expert_used_count", 2);
  }
  w.strings("tokenizer.ggml.tokens", f.n_vocab);

  const auto add = [&](const std::string& name, const std::vector<std::uint64_t>& shape, const Stored& as) {
    std::uint64_t n = 1;
    for (const auto d : shape) n *= d;
    f.weights += n;
    f.bytes += n / as.weights * as.block;
    w.tensor(name, shape, as.type, n / as.weights * as.block);
  };
  const std::uint64_t n_embd = f.n_embd(), n_kv = f.head * f.n_head_kv;
  add("token_embd.weight", {n_embd, f.n_vocab}, stored);
  add("output_norm.weight", {n_embd}, k_stored[0]);
  add("output.weight", {n_embd, f.n_vocab}, stored);
  for (std::uint32_t il = 0; il < f.n_layer; ++il) {
    const auto layer = "blk." + std::to_string(il) + ".";
    for (const auto* norm : {"attn_norm.weight", "ffn_norm.weight"}) add(layer + norm, {n_embd}, k_stored[0]);
    add(layer + "attn_q.weight", {n_embd, n_embd}, stored);
    add(layer + "attn_k.weight", {n_embd, n_kv}, stored);
    add(layer + "attn_v.weight", {n_embd, n_kv}, stored);
    add(layer + "attn_output.weight", {n_embd, n_embd}, stored);
    if (n_expert) {
      add(layer + "ffn_gate_inp.weight", {n_embd, n_expert}, k_stored[0]);
      for (const auto* m : {"ffn_gate_exps.weight", "ffn_up_exps.weight"}) add(layer + m, {n_embd, f.n_ff, n_expert}, stored);
      add(layer + "ffn_down_exps.weight", {f.n_ff, n_embd, n_expert}, stored);
    } else {
      for (const auto* m : {"ffn_gate.weight", "ffn_up.weight"}) add(layer + m, {n_embd, f.n_ff}, stored);
      add(layer + "ffn_down.weight", {f.n_ff, n_embd}, stored);
    }
  }
  return f;
}

}  // namespace

TEST_CASE("a GGUF file of any shape is planned as its own tensors, and its reports obey the laws", "[property][gguf]")
{
  Draw draw(6);
  const TemporaryFolder folder;
  for (int i = 0; i < 120; ++i) {
    const auto file = draw_file(draw);
    file.writer.write(folder / "m.gguf");
    const auto spec = read_gguf(folder / "m.gguf");
    CAPTURE(i, file.n_layer, file.n_head, file.n_head_kv, file.head, file.n_ff, file.n_vocab);
    REQUIRE(spec);
    REQUIRE_FALSE(unplannable(*spec));
    CHECK(spec->n_embd == file.n_embd());
    CHECK(spec->n_layer == file.n_layer);
    CHECK(spec->n_head_kv(0) == file.n_head_kv);
    CHECK(spec->n_vocab == file.n_vocab);
    CHECK(spec->file_bytes == std::filesystem::file_size(folder / "m.gguf"));
    REQUIRE(spec->file_type);

    const auto plan = tensor_plan(*spec, *spec->file_type);
    CHECK(broken_law(plan).value_or("") == "");
    CHECK(plan.total_bytes().count == file.bytes);
    CHECK(plan.n_params() == file.weights);

    auto question = draw_question(draw, *spec);
    question.quants = {*spec->file_type};
    const auto machine = draw_machine(draw);
    const auto report = evaluate(*spec, {}, machine, question);
    CHECK(broken_law(report).value_or("") == "");
    question.workload.n_ctx = 1024;
    const auto less = evaluate(*spec, {}, machine, question).quants.front();
    question.workload.n_ctx = 4096;
    const auto more = evaluate(*spec, {}, machine, question).quants.front();
    CHECK(less.memory.kv_cache <= more.memory.kv_cache);
    CHECK((less.fits || !more.fits));
  }
}
