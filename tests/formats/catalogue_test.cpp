#include "canirun/formats/catalogue.hpp"

#include <map>
#include <set>

#include "catch.hpp"

using namespace canirun;

namespace {

const Catalogue& builtin()
{
  static const auto catalogue = Catalogue::builtin();
  if (!catalogue) FAIL(catalogue.error().message);
  return *catalogue;
}

std::string problem(std::string_view json)
{
  const auto catalogue = Catalogue::parse(json, "my.json");
  return catalogue ? "" : catalogue.error().message;
}

std::string with_entry(std::string_view entry)
{
  return "{\"schema\": \"canirun.models/1\", \"models\": [" + std::string(entry) + "]}";
}

constexpr std::string_view k_small = R"({"id": "tiny-1b", "arch": "llama", "n_params": 1, "n_layer": 2, "n_embd": 64,
  "n_vocab": 100, "n_head": 4, "n_head_kv": 2, "head_dim_k": 16, "head_dim_v": 16, "n_ff": 128})";

}  // namespace

TEST_CASE("the catalogue in the program holds every kind of model", "[formats][catalogue]")
{
  std::map<ModelKind, int> kinds;
  for (const auto& entry : builtin().entries()) ++kinds[entry.spec.kind];
  CHECK(builtin().entries().size() >= 480);
  CHECK(kinds[ModelKind::text] >= 400);
  CHECK(kinds[ModelKind::embedding] >= 25);
  CHECK(kinds[ModelKind::image] >= 25);
  CHECK(kinds[ModelKind::video] >= 10);
  CHECK(kinds[ModelKind::audio] >= 20);
}

TEST_CASE("every entry of the catalogue says where it comes from and what it is", "[formats][catalogue]")
{
  for (const auto& entry : builtin().entries()) {
    CAPTURE(entry.spec.id);
    CHECK_FALSE(entry.sources.empty());
    CHECK_FALSE(entry.facts.tasks.empty());
    CHECK_FALSE(entry.facts.license.empty());
    CHECK(entry.facts.release.size() == 7);
    CHECK(entry.checked.size() == 10);
    CHECK(entry.spec.n_params > 0);
    if (entry.spec.kind == ModelKind::image || entry.spec.kind == ModelKind::video) CHECK_FALSE(entry.spec.media->components.empty());
  }
}

TEST_CASE("every name of every entry leads to that entry", "[formats][catalogue]")
{
  for (const auto& entry : builtin().entries()) {
    CAPTURE(entry.spec.id);
    CHECK(builtin().find(entry.spec.id) == &entry);
    for (const auto& alias : entry.aliases) {
      CAPTURE(alias);
      CHECK(builtin().find(alias) == &entry);
    }
    CHECK(builtin().find(entry.facts.hf_repo) == &entry);
    if (!entry.facts.ollama.empty()) CHECK(builtin().find(entry.facts.ollama) == &entry);
  }
}

TEST_CASE("a part of the catalogue answers for a name as the whole does", "[formats][catalogue]")
{
  std::map<std::string, std::string> newer;  // of an entry, its next version
  for (const auto& e : builtin().entries()) {
    if (!e.supersedes.empty()) newer[builtin().find(e.supersedes)->spec.id] = e.spec.id;
  }
  for (const auto& e : builtin().entries()) {
    auto names = e.aliases;
    names.push_back(e.spec.id);
    for (const auto& name : names) {
      const std::vector<std::string> asked{name};
      const auto part = Catalogue::builtin(asked);
      REQUIRE(part);
      CHECK(part->entries().size() < 20);
      const auto* found = part->find(name);
      REQUIRE(found);
      CHECK(to_catalogue_json(*found) == to_catalogue_json(*builtin().find(name)));
      if (!e.supersedes.empty()) CHECK(part->find(e.supersedes));
      if (newer.contains(e.spec.id)) CHECK(part->find(newer[e.spec.id]));
    }
  }
  const std::vector<std::string> other{"llama-2-7b", "meta-llama/Llama-2-7b-hf"};
  CHECK_FALSE(Catalogue::builtin(other));  // a repository is looked for in all of them
  CHECK(Catalogue::builtin(std::vector<std::string>{})->entries().empty());
}

TEST_CASE("models are found under the names people use", "[formats][catalogue]")
{
  const auto found = [](std::string_view name) {
    const auto* entry = builtin().find(name);
    return entry ? entry->spec.id : "";
  };
  CHECK(found("llama2-70b") == "llama-2-70b");
  CHECK(found("LLAMA-2:70B") == "llama-2-70b");
  CHECK(found("meta-llama/Llama-2-70b-chat-hf") == "llama-2-70b");
  CHECK(found("llama3.1:8b-instruct-q4_K_M") == "llama-3.1-8b");
  CHECK(found("bartowski/Meta-Llama-3.1-8B-Instruct-GGUF") == "llama-3.1-8b");
  CHECK(found("google/gemma-3-27b-it") == "gemma-3-27b");
  CHECK(found("Qwen/Qwen3-8B-GGUF:Q4_K_M") == "qwen3-8b");
  CHECK(found("no-such-model") == "");
  CHECK(found("") == "");
  CHECK(found("---") == "");
}

TEST_CASE("a name with a slip is answered with the nearest ids", "[formats][catalogue]")
{
  CHECK(builtin().suggest("lama-2-70b").at(0) == "llama-2-70b");
  CHECK(builtin().suggest("mixtral-8x7").at(0) == "mixtral-8x7b");
  CHECK(builtin().suggest("qwen3-8b-x", 1).size() == 1);
  CHECK(builtin().suggest("zzzzzzzzzzzzzzzzzzzz").empty());
}

TEST_CASE("figures of entries become the spec that llama.cpp would read", "[formats][catalogue]")
{
  const auto& llama = builtin().find("llama-2-70b")->spec;
  CHECK(llama.arch == "llama");
  CHECK(llama.n_layer == 80);
  CHECK(llama.n_head_kv(79) == 8);
  CHECK(llama.n_rot == 128);
  CHECK_FALSE(llama.swa);

  // DeepSeek V3: one latent key head of kv_lora_rank + qk_rope_head_dim = 512 + 64 (conversion/deepseek.py).
  const auto& deepseek = builtin().find("deepseek-v3")->spec;
  CHECK(deepseek.n_head_kv(0) == 1);
  CHECK(deepseek.head_dim_k == 576);
  CHECK(deepseek.head_dim_v == 512);
  CHECK(deepseek.mla->qk_nope_head_dim == 128);
  CHECK_FALSE(deepseek.is_moe(2));
  CHECK(deepseek.is_moe(3));

  const auto& gemma = builtin().find("gemma-3-4b")->spec;
  CHECK(gemma.swa->window == 1024);
  CHECK(gemma.is_swa(4));
  CHECK_FALSE(gemma.is_swa(5));

  const auto& nemotron = builtin().find("nemotron-3-nano-30b-a3b")->spec;
  CHECK(nemotron.is_recurrent(0));
  CHECK(nemotron.n_ff(0) == 0);
  CHECK(nemotron.n_ff(1) == 1856);
  CHECK(nemotron.n_head_kv(5) == 2);

  const auto& mamba = builtin().find("mamba-130m")->spec;
  CHECK(mamba.recurrent_layers.size() == 24);
  CHECK(mamba.ssm->dt_rank == 48);

  CHECK(builtin().find("gpt-oss-20b")->spec.native_type == FileType::MXFP4_MOE);
  CHECK(builtin().find("sdxl")->spec.media->components.size() == 4);
  CHECK(builtin().find("whisper-tiny")->spec.media->whisper->n_audio_ctx == 1500);
}

TEST_CASE("an entry that is wrong is one sentence with file, position, entry and field", "[formats][catalogue]")
{
  CHECK(problem("[]") == "my.json:1:1: an object is expected at the top");
  CHECK(problem("{\"models\": []}") == "my.json:1:1: \"schema\": \"canirun.models/1\" is expected");
  CHECK(problem("{\"schema\": \"canirun.models/2\", \"models\": []}") ==
        "my.json:1:12: \"schema\": \"canirun.models/1\" is expected, not 'canirun.models/2'");
  CHECK(problem(with_entry("{}")) == "my.json:1:43: 'id' is missing");
  CHECK(problem(with_entry(R"({"id": "a", "n_layers": 3})")) == "my.json:1:67: 'a': field 'n_layers': a model has no such field");
  CHECK(problem(with_entry(R"({"id": "a", "n_embd": "x"})")) ==
        "my.json:1:65: 'a': field 'n_embd': a whole number of at least 0 is expected, this is a string");
  CHECK(problem(with_entry(R"({"id": "a", "n_embd": 5000000000})")) ==
        "my.json:1:65: 'a': field 'n_embd': 5000000000 is too large");
  CHECK(problem(with_entry(R"({"id": "a", "kind": "poem"})")) ==
        "my.json:1:63: 'a': field 'kind': 'poem' is not one of text, embedding, image, video, audio");
  CHECK(problem(with_entry(R"({"id": "a", "arch": "llama", "n_layer": 2, "n_embd": 64, "n_vocab": 9, "n_ff": [1, 2, 3]})")) ==
        "my.json:1:43: 'a': n_ff: 3 numbers for 2 layers");
  CHECK(problem(with_entry(std::string(k_small) + "," + std::string(k_small))) ==
        "my.json: two models are called 'tiny-1b' and 'tiny-1b'");
}

TEST_CASE("a user's file adds models and replaces those it names", "[formats][catalogue]")
{
  auto base =
      Catalogue::parse(with_entry(std::string(k_small) + R"(, {"id": "b", "n_params": 5, "aliases": ["bee", "tiny"]})"), "base");
  auto mine =
      Catalogue::parse(with_entry(R"({"id": "B", "n_params": 7}, {"id": "c", "n_params": 9, "aliases": ["tiny"]})"), "mine");
  REQUIRE(base);
  REQUIRE(mine);
  base->merge(std::move(*mine));
  CHECK(base->entries().size() == 3);
  CHECK(base->find("b")->spec.n_params == 7);
  CHECK(base->find("tiny")->spec.id == "c");
}

TEST_CASE("data files are looked for where the environment says", "[formats][catalogue]")
{
  const std::filesystem::path extra[] = {"x.json"};
  const auto paths = data_paths("models.json", {"/data", "/xdg", "/home/me"}, extra);
  CHECK(paths.replaces == DataFile{"/data/models.json", false});
  CHECK(paths.additions == std::vector<DataFile>{{"/xdg/canirun/models.json", false}, {"x.json", true}});
  CHECK(data_paths("gpus.json", {"", "", "/home/me"}, {}).additions ==
        std::vector<DataFile>{{"/home/me/.config/canirun/gpus.json", false}});
  CHECK_FALSE(data_paths("gpus.json", {}, {}).replaces);
  CHECK(data_paths("gpus.json", {}, {}).additions.empty());
}

TEST_CASE("a file that a user names and that is not there is an error", "[formats][catalogue]")
{
  const std::filesystem::path extra[] = {"/no/such/models.json"};
  const auto catalogue = load_catalogue({}, extra);
  REQUIRE_FALSE(catalogue);
  CHECK(catalogue.error().message == "cannot read '/no/such/models.json': No such file or directory");
}

TEST_CASE("every entry of the catalogue is written as it was read", "[formats][catalogue]")
{
  for (const auto& entry : builtin().entries()) {
    CAPTURE(entry.spec.id);
    const auto text = to_catalogue_json(entry);
    const auto again = Catalogue::parse(with_entry(text), "again.json");
    if (!again) FAIL(again.error().message);
    CHECK(to_catalogue_json(again->entries()[0]) == text);
    CHECK(again->entries()[0].spec.n_params == entry.spec.n_params);
    CHECK(again->entries()[0].spec.head_dim_k_swa == entry.spec.head_dim_k_swa);
  }
}

TEST_CASE("the catalogue in the program has no finding against it", "[formats][catalogue]")
{
  std::string all = "{\"schema\": \"canirun.models/1\", \"models\": [";
  for (const auto& entry : builtin().entries()) all += (all.back() == '[' ? "" : ",") + to_catalogue_json(entry);
  for (const auto& finding : validate_catalogue(all + "]}", "data/models.json")) {
    FAIL_CHECK(finding.entry + ": " + finding.field + ": " + finding.message);
  }
}

TEST_CASE("validation names every finding with entry and field", "[formats][catalogue]")
{
  const auto found = [](std::string_view entry) {
    std::vector<std::string> out;
    for (const auto& f : validate_catalogue(with_entry(entry), "m.json"))
      out.push_back(f.entry + "|" + f.field + "|" + f.message);
    return out;
  };
  const std::string facts = R"("release": "2024-01", "license": "mit", "tasks": ["chat"], "sources": ["s"], )";
  CHECK(found("{\"id\": \"a\", " + facts + "\"n_params\": 5}").empty());
  CHECK(
      found("{\"id\": \"a\", " + facts + "\"n_params\": 5, \"arch\": \"lama\", \"n_layer\": 1, \"n_embd\": 8, \"n_vocab\": 8}") ==
      std::vector<std::string>{"a|arch|llama.cpp has no architecture 'lama'"});
  CHECK(found("{\"id\": \"a\", " + facts + "\"n_params\": 5, \"n_embd\": \"x\"}").at(0).find("a|n_embd|m.json:1:") == 0);
  CHECK(found("{\"id\": \"a\", " + facts + "\"n_params\": 5, \"aliases\": [\"b\"]}, {\"id\": \"B\", " + facts +
              "\"n_params\": 5}") == std::vector<std::string>{"a|aliases|'b' leads to 'B' already"});
  CHECK(found("{\"id\": \"a\", " + facts + "\"n_params\": 5, \"supersedes\": \"z\"}") ==
        std::vector<std::string>{"a|supersedes|no entry is called 'z'"});
  CHECK(found("{\"id\": \"a\", \"n_params\": 5}").size() == 4);
  // A Llama 2 7B with one layer too few is 202 million parameters short.
  auto llama = to_catalogue_json(*builtin().find("llama-2-7b"));
  llama.replace(llama.find("\"n_layer\": 32"), 13, "\"n_layer\": 31");
  CHECK(found(llama) ==
        std::vector<std::string>{"llama-2-7b|n_params|the shapes add up to 6536032256, the entry says 6738415616"});
}

TEST_CASE("a version that supersedes another is newer and of the same family", "[formats][catalogue]")
{
  std::size_t n = 0;
  for (const auto& entry : builtin().entries()) {
    if (entry.supersedes.empty()) continue;
    ++n;
    CAPTURE(entry.spec.id, entry.supersedes);
    const auto* older = builtin().find(entry.supersedes);
    REQUIRE(older);
    CHECK(older->spec.id == entry.supersedes);
    CHECK(older->facts.family == entry.facts.family);
    CHECK(older->facts.release <= entry.facts.release);
    CHECK(older->spec.kind == entry.spec.kind);
  }
  CHECK(n > 50);
}
