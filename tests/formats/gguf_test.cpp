#include "canirun/formats/gguf.hpp"

#include <limits>

#include "canirun/core/tensor_plan.hpp"
#include "catch.hpp"
#include "gguf_writer.hpp"

using namespace canirun;

namespace {

/// A llama of two layers: width 64, 4 heads, 2 key heads, feed-forward 96, 100 tokens.
GgufWriter tiny_llama(bool with_tensors = true)
{
  GgufWriter w;
  w.string("general.architecture", "llama");
  w.string("general.name", "Tiny");
  w.u32("general.file_type", 1);
  w.u32("llama.context_length", 2048);
  w.u32("llama.embedding_length", 64);
  w.u32("llama.block_count", 2);
  w.u32("llama.feed_forward_length", 96);
  w.u32("llama.attention.head_count", 4);
  w.u32("llama.attention.head_count_kv", 2);
  w.f32("llama.rope.freq_base", 10000);
  w.strings("tokenizer.ggml.tokens", 100);
  if (!with_tensors) return w;
  w.f32_tensor("token_embd.weight", {64, 100});
  w.f32_tensor("output_norm.weight", {64});
  w.f32_tensor("rope_freqs.weight", {8});
  for (const std::string layer : {"blk.0.", "blk.1."}) {
    w.f32_tensor(layer + "attn_norm.weight", {64});
    w.f32_tensor(layer + "attn_q.weight", {64, 64});
    w.f32_tensor(layer + "attn_k.weight", {64, 32});
    w.f32_tensor(layer + "attn_v.weight", {64, 32});
    w.f32_tensor(layer + "attn_output.weight", {64, 64});
    w.f32_tensor(layer + "ffn_norm.weight", {64});
    w.f32_tensor(layer + "ffn_gate.weight", {64, 96});
    w.f32_tensor(layer + "ffn_up.weight", {64, 96});
    w.tensor(layer + "ffn_down.weight", {96, 64}, 8, 96 / 32 * 34 * 64);  // q8_0: 34 bytes for 32 weights
  }
  return w;
}

std::string problem(const std::filesystem::path& file)
{
  const auto spec = read_gguf(file);
  if (spec) return "";
  auto message = spec.error().message;
  const auto folder = file.parent_path().string() + "/";
  for (auto at = message.find(folder); at != std::string::npos; at = message.find(folder)) message.erase(at, folder.size());
  return message;
}

std::string problem(const GgufWriter& writer)
{
  const TemporaryFolder folder;
  writer.write(folder / "m.gguf");
  return problem(folder / "m.gguf");
}

std::string problem_of_bytes(std::string_view bytes)
{
  const TemporaryFolder folder;
  std::ofstream(folder / "m.gguf", std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return problem(folder / "m.gguf");
}

ModelSpec spec_of(const GgufWriter& writer)
{
  const TemporaryFolder folder;
  writer.write(folder / "m.gguf");
  auto spec = read_gguf(folder / "m.gguf");
  if (!spec) FAIL(spec.error().message);
  return std::move(*spec);
}

}  // namespace

TEST_CASE("a GGUF file becomes the spec that its keys and tensors say", "[formats][gguf]")
{
  const auto spec = spec_of(tiny_llama());
  CHECK(spec.id == "m");
  CHECK(spec.name == "Tiny");
  CHECK(spec.arch == "llama");
  CHECK(spec.file_type == FileType::F16);
  CHECK(spec.n_ctx_train == 2048);
  CHECK(spec.n_layer == 2);
  CHECK(spec.n_embd == 64);
  CHECK(spec.n_vocab == 100);
  CHECK(spec.n_head_kv(1) == 2);
  CHECK(spec.head_dim_k == 16);
  CHECK(spec.n_rot == 16);
  CHECK(spec.tied_embeddings);
  CHECK(spec.rope_freqs);
  CHECK(spec.ffn_gated);
  CHECK_FALSE(spec.attn.bias_qkv);
  CHECK(spec.tensors.size() == 21);
  // By hand: 64·100 + 64 + 8 + 2·(64 + 64·64·2 + 64·32·2 + 64 + 3·64·96)
  CHECK(spec.n_params == 6400 + 64 + 8 + 2 * (64 + 8192 + 4096 + 64 + 18432));
  CHECK(spec.tensors.back().type == TensorType::q8_0);
  CHECK(spec.file_bytes > 0);
}

TEST_CASE("a file of the other byte order and of version 2 says the same", "[formats][gguf]")
{
  auto big = GgufWriter{};
  big.big_endian = true;
  big.string("general.architecture", "llama");
  big.u32("llama.context_length", 512);
  big.u32("llama.embedding_length", 64);
  big.u32("llama.block_count", 1);
  big.u32("llama.feed_forward_length", 96);
  big.u32("llama.attention.head_count", 4);
  big.f32_tensor("token_embd.weight", {64, 50});
  CHECK(spec_of(big).n_vocab == 50);
  CHECK(spec_of(big).n_head_kv(0) == 4);

  auto old = tiny_llama();
  old.version = 2;
  CHECK(spec_of(old).n_layer == 2);
}

TEST_CASE("lists of numbers a layer, sliding windows and experts are read", "[formats][gguf]")
{
  GgufWriter w;
  w.string("general.architecture", "mimo2");
  w.u32("mimo2.context_length", 4096);
  w.u32("mimo2.embedding_length", 64);
  w.u32("mimo2.block_count", 3);
  w.u32("mimo2.nextn_predict_layers", 1);
  w.u32("mimo2.feed_forward_length", 96);
  w.u32("mimo2.attention.head_count", 4);
  w.u32s("mimo2.attention.head_count_kv", {2, 4, 4});
  w.u32("mimo2.attention.key_length", 32);
  w.u32("mimo2.attention.value_length", 16);
  w.u32("mimo2.attention.sliding_window", 128);
  w.booleans("mimo2.attention.sliding_window_pattern", {false, true, true});
  w.u32("mimo2.expert_count", 8);
  w.u32("mimo2.expert_used_count", 2);
  w.u32("mimo2.expert_feed_forward_length", 48);
  w.strings("tokenizer.ggml.tokens", 10);
  w.f32_tensor("token_embd.weight", {64, 10});
  w.f32_tensor("blk.1.attn_sinks.weight", {4});
  w.f32_tensor("blk.0.ffn_gate.weight", {64, 96});
  w.f32_tensor("blk.1.ffn_gate_exps.weight", {64, 48, 8});
  w.f32_tensor("blk.1.ffn_down_exps.weight", {48, 64, 8});
  w.f32_tensor("blk.1.exp_probs_b.bias", {8});
  const auto spec = spec_of(w);
  CHECK(spec.n_layer == 2);
  CHECK(spec.n_layer_nextn == 1);
  CHECK(spec.n_head_kv(0) == 2);
  CHECK(spec.n_head_kv(1) == 4);
  CHECK_FALSE(spec.is_swa(0));
  CHECK(spec.is_swa(1));
  CHECK(spec.attn.sinks);
  CHECK(spec.attn.sinks_swa_only);
  CHECK_FALSE(spec.is_moe(0));
  CHECK(spec.is_moe(1));
  CHECK(spec.moe->n_ff_expert == 48);
  CHECK(spec.moe->router_bias);
  CHECK(spec.head_dim_v == 16);
}

TEST_CASE("a window that llama.cpp ignores is ignored", "[formats][gguf]")
{
  auto w = tiny_llama();
  w.u32("llama.attention.sliding_window", 4096);
  CHECK_FALSE(spec_of(w).swa);
}

TEST_CASE("an architecture that llama.cpp does not know keeps its tensors", "[formats][gguf]")
{
  GgufWriter w;
  w.string("general.architecture", "tomorrow");
  w.f32_tensor("blk.0.magic.weight", {64, 10});
  const auto spec = spec_of(w);
  CHECK(spec.arch == "tomorrow");
  CHECK(spec.n_params == 640);
  CHECK(spec.tensors.size() == 1);
}

TEST_CASE("a split file is found from any of its parts", "[formats][gguf]")
{
  const TemporaryFolder folder;
  auto first = tiny_llama();
  first.u16("split.no", 0);
  first.u16("split.count", 2);
  first.i32("split.tensors.count", 22);
  first.write(folder / "m-00001-of-00002.gguf");
  GgufWriter second;
  second.u16("split.no", 1);
  second.u16("split.count", 2);
  second.f32_tensor("output.weight", {64, 100});
  second.write(folder / "m-00002-of-00002.gguf");

  for (const auto* name : {"m-00001-of-00002.gguf", "m-00002-of-00002.gguf"}) {
    const auto spec = read_gguf(folder / name);
    if (!spec) FAIL(spec.error().message);
    CHECK(spec->tensors.size() == 22);
    CHECK_FALSE(spec->tied_embeddings);
    CHECK(spec->file_bytes == std::filesystem::file_size(folder / "m-00001-of-00002.gguf") +
                                  std::filesystem::file_size(folder / "m-00002-of-00002.gguf"));
  }

  std::filesystem::copy_file(folder / "m-00001-of-00002.gguf", folder / "other.gguf");
  CHECK(problem(folder / "other.gguf") == "other.gguf: this is a part of 2, but its name does not end in -00001-of-00002.gguf");

  // A part that is the first one again, as a cycle of links would make it.
  std::filesystem::remove(folder / "m-00002-of-00002.gguf");
  std::filesystem::create_symlink(folder / "m-00001-of-00002.gguf", folder / "m-00002-of-00002.gguf");
  CHECK(problem(folder / "m-00001-of-00002.gguf") == "m-00002-of-00002.gguf: this is not part 2 of 2, its keys say part 1 of 2");

  std::filesystem::remove(folder / "m-00002-of-00002.gguf");
  std::filesystem::create_symlink(folder / "m-00002-of-00002.gguf", folder / "m-00002-of-00002.gguf");
  CHECK(problem(folder / "m-00001-of-00002.gguf") ==
        "part 2 of 2 is missing: cannot read 'm-00002-of-00002.gguf': Too many levels of symbolic links");
  std::filesystem::remove(folder / "m-00002-of-00002.gguf");
  CHECK(problem(folder / "m-00001-of-00002.gguf") ==
        "part 2 of 2 is missing: cannot read 'm-00002-of-00002.gguf': No such file or directory");
}

TEST_CASE("a file cut off anywhere is refused in one sentence", "[formats][gguf]")
{
  const auto whole = tiny_llama().header();
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const auto message = problem_of_bytes(std::string_view(whole).substr(0, n));
    CAPTURE(n, message);
    CHECK(message.find("m.gguf: offset ") == 0);
  }
  CHECK(problem_of_bytes(whole).find("the file is cut off: its tensors need ") != std::string::npos);
}

TEST_CASE("damage of any byte of the header never does harm", "[formats][gguf][property]")
{
  const TemporaryFolder folder;
  const auto whole = tiny_llama().header();
  const auto file = folder / "m.gguf";
  for (std::size_t n = 0; n < whole.size(); ++n) {
    for (const unsigned flip : {0x01U, 0x80U, 0xFFU}) {
      auto damaged = whole;
      damaged[n] = static_cast<char>(static_cast<unsigned>(damaged[n]) ^ flip);
      std::ofstream(file, std::ios::binary).write(damaged.data(), static_cast<std::streamsize>(damaged.size()));
      std::filesystem::resize_file(file, 1 << 20);
      const auto spec = read_gguf(file);
      if (!spec) CHECK(spec.error().message.find('\n') == std::string::npos);
    }
  }
}

TEST_CASE("hostile claims are refused before they cost memory", "[formats][gguf]")
{
  CHECK(problem_of_bytes("PK\x03\x04 not a model at all") == "m.gguf: offset 0: this is not a GGUF file");

  GgufWriter version;
  version.version = 1;
  CHECK(problem(version) == "m.gguf: offset 4: GGUF version 1 cannot be read, only 2 and 3");

  GgufWriter keys;
  keys.extra_keys = 1'000'000;
  CHECK(problem(keys) == "m.gguf: offset 16: 1000000 keys are claimed, at most 65536 are read");

  GgufWriter tensors;
  tensors.extra_tensors = std::uint64_t{1} << 63;
  CHECK(problem(tensors) == "m.gguf: offset 8: 9223372036854775808 tensors are claimed, at most 131072 are read");

  GgufWriter few;
  few.extra_tensors = 100'000;
  CHECK(problem(few) == "m.gguf: offset 8: 100000 tensors are claimed, more than the file holds");

  GgufWriter name;
  name.extra_keys = 1;
  std::string length;
  name.number<std::uint64_t>(length, std::uint64_t{1} << 63);
  name.raw(length);
  CHECK(problem(name) == "m.gguf: offset 24: key 0 has 9223372036854775808 bytes, at most 65535 are allowed");

  GgufWriter array;
  array.key("a", 9);
  std::string claim;
  array.number<std::uint32_t>(claim, 8);
  array.number<std::uint64_t>(claim, std::uint64_t{1} << 62);
  array.raw(claim);
  CHECK(problem(array) == "m.gguf: offset 24: key 'a' claims 4611686018427387904 values, more than the file holds");

  GgufWriter type;
  type.key("a", 77);
  CHECK(problem(type) == "m.gguf: offset 24: key 'a' has the unknown type 77");

  GgufWriter twice;
  twice.u32("a", 1);
  twice.u32("a", 2);
  CHECK(problem(twice) == "m.gguf: offset 41: key 1 is given twice");
}

TEST_CASE("tensors that cannot be are refused", "[formats][gguf]")
{
  const auto with = [](auto add) {
    auto w = tiny_llama(false);
    add(w);
    const auto message = problem(w);
    return message.substr(message.find(": tensor") == std::string::npos ? message.find(": the") + 2
                                                                        : message.find(": tensor") + 2);
  };
  CHECK(with([](auto& w) { w.tensor("x", {64}, 99, 64); }) ==
        "tensor 'x' has the type 99, which is unknown or was removed from ggml");
  CHECK(with([](auto& w) { w.tensor("x", {33}, 8, 64); }) == "tensor 'x' has rows of 33 weights, q8_0 needs a multiple of 32");
  CHECK(with([](auto& w) { w.tensor("x", {1, 1, 1, 1, 1}, 0, 4); }) == "tensor 'x' has 5 dimensions, at most 4 are allowed");
  CHECK(with([](auto& w) {
          w.tensor("x", {std::uint64_t{1} << 40, std::uint64_t{1} << 40}, 0, 4);
        }) == "tensor 'x' has more elements than any machine can hold");
  CHECK(with([](auto& w) {
          w.f32_tensor("x", {64});
          w.tensor("y", {64}, 0, 256, 0);
        }) == "the data of tensor 'y' is said to be at 0, but 256 is where the one before it ends");
  CHECK(with([](auto& w) {
          w.f32_tensor("x", {8});
          w.f32_tensor("x", {8});
        }) == "tensor 'x' is given twice");
}

TEST_CASE("keys that contradict each other are named", "[formats][gguf]")
{
  const auto with = [](auto add) {
    GgufWriter w;
    w.string("general.architecture", "llama");
    add(w);
    w.f32_tensor("token_embd.weight", {64, 10});
    return problem(w);
  };
  CHECK(with([](auto&) {}) == "m.gguf: key 'llama.context_length' is missing");
  CHECK(problem(GgufWriter{}) == "m.gguf: key 'general.architecture' is missing: the file does not say what model it is");
  const auto base = [](GgufWriter& w) {
    w.u32("llama.context_length", 1);
    w.u32("llama.embedding_length", 64);
  };
  CHECK(with([&](auto& w) {
          base(w);
          w.u32("llama.block_count", 4'000'000'000);
        }).find("key 'llama.block_count' has the impossible value 4000000000") != std::string::npos);
  CHECK(with([&](auto& w) {
          base(w);
          w.i32("llama.block_count", -1);
        }).find("key 'llama.block_count' has the impossible value -1") != std::string::npos);
  CHECK(with([&](auto& w) {
          base(w);
          w.f32("llama.block_count", std::numeric_limits<float>::quiet_NaN());
        }).find("key 'llama.block_count' is not a whole number") != std::string::npos);
  CHECK(with([&](auto& w) {
          base(w);
          w.u32("llama.block_count", 2);
          w.u32s("llama.attention.head_count", {4, 4, 4});
        }).find("key 'llama.attention.head_count' has 3 numbers for 2 layers") != std::string::npos);
  CHECK(with([&](auto& w) {
          base(w);
          w.u32("llama.block_count", 2);
          w.u32("llama.attention.head_count", 4);
          w.u32("llama.attention.head_count_kv", 3);
        }) == "m.gguf: n_head_kv: 4 query heads cannot share 3 key heads evenly");
}

TEST_CASE("what is not a file to read is said so", "[formats][gguf]")
{
  CHECK(read_gguf("/no/such.gguf").error().message == "cannot read '/no/such.gguf': No such file or directory");
  CHECK(read_gguf("/tmp").error().message == "cannot read '/tmp': it is not a regular file");
}
