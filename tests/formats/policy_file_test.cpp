#include "canirun/formats/policy_file.hpp"

#include <fmt/format.h>

#include "catch.hpp"

using namespace canirun;
using namespace canirun::literals;

namespace {

std::string policy(std::string_view rules, std::string_view machines = R"("laptop": {"ram": "16G"}, "server": {})")
{
  return fmt::format(R"({{"schema": "canirun.policy/1", "machines": {{{}}}, "rules": [{}]}})", machines, rules);
}

std::string message_of(const std::string& json)
{
  const auto parsed = parse_policy(json, "p.json");
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().kind == ErrorKind::parse);
  CHECK(parsed.error().message.starts_with("p.json:1:"));
  return parsed.error().message;
}

}  // namespace

TEST_CASE("a rule says which models must do what on which machines", "[policy]")
{
  const auto parsed = parse_policy(policy(R"({"models": ["a", "./b.gguf"], "machines": "server", "quant": ["Q4_K_M", "q8_0"],
    "ctx": "16k", "parallel": 4, "cache_type_k": "q8_0", "min_grade": "B", "min_speed": 12.5, "min_ctx": 32768})"),
                                   "p.json");
  REQUIRE(parsed);
  REQUIRE(parsed->rules.size() == 1);
  const auto& rule = parsed->rules.front();
  CHECK(rule.models == std::vector<std::string>{"a", "./b.gguf"});
  CHECK(rule.machines == std::vector<std::size_t>{1});
  CHECK(rule.quants == std::vector{FileType::Q4_K_M, FileType::Q8_0});
  CHECK(rule.n_ctx == 16384);
  CHECK(rule.n_seq_max == 4);
  CHECK(rule.cache_type_k == TensorType::q8_0);
  CHECK_FALSE(rule.cache_type_v);
  CHECK(rule.requirements.min_grade == Letter::B);
  CHECK(rule.requirements.min_speed == 12.5);
  CHECK(rule.requirements.min_ctx == 32768);
}

TEST_CASE("a machine is stated as on the command line", "[policy]")
{
  const auto parsed = parse_policy(policy(R"({"models": "a"})", R"("m": {"hardware": ["x.json", "y.json"], "gpu": "2x RTX 3090",
    "vram": "24G", "ram": 8589934592, "gpu_bandwidth": 936, "ram_bandwidth": "90GB/s", "cores": 8, "no_gpu": false})"),
                                   "p.json");
  REQUIRE(parsed);
  const auto& machine = parsed->machines.front();
  CHECK(machine.name == "m");
  CHECK(machine.hardware == std::vector<std::string>{"x.json", "y.json"});
  CHECK(machine.gpus == std::vector<std::string>{"2x RTX 3090"});
  CHECK(machine.vram == 24_GiB);
  CHECK(machine.ram == 8_GiB);
  CHECK(machine.gpu_bandwidth == 936_GBps);
  CHECK(machine.ram_bandwidth == 90_GBps);
  CHECK(machine.cores == 8);
}

TEST_CASE("a rule without machines holds for all of them, a policy without machines for the one of the command line", "[policy]")
{
  const auto all = parse_policy(policy(R"({"models": "a"})"), "p.json");
  REQUIRE(all);
  CHECK(all->rules.front().machines == std::vector<std::size_t>{0, 1});
  const auto one = parse_policy(R"({"rules": [{"models": "a"}], "schema": "canirun.policy/1"})", "p.json");
  REQUIRE(one);
  CHECK(one->machines.size() == 1);
  CHECK(one->rules.front().machines == std::vector<std::size_t>{0});
}

TEST_CASE("a slip of the pen in a policy is named with its place", "[policy]")
{
  struct Slip { std::string json, says; };
  // clang-format off
  const auto slip = GENERATE(values<Slip>({
      {policy(R"({"models": "a", "min_grad": "B"})"), "'rules[0]': field 'min_grad': no rule has this field; did you mean 'min_grade'?"},
      {policy(R"({"models": "a", "min_grade": "E"})"), "field 'min_grade': 'E' is not a grade"},
      {policy(R"({"models": "a", "min_speed": 0})"), "field 'min_speed': a rate above zero"},
      {policy(R"({"models": "a", "min_speed": "fast"})"), "field 'min_speed': a number is expected"},
      {policy(R"({"models": "a", "ctx": -1})"), "field 'ctx'"},
      {policy(R"({"models": "a", "ctx": "lots"})"), "'lots' is not a number of tokens"},
      {policy(R"({"models": "a", "quant": "Q4_KM"})"), "did you mean 'Q4_K_M'?"},
      {policy(R"({"models": "a", "cache_type_v": "q9"})"), "'q9' is not a cache type"},
      {policy(R"({"models": "a", "machines": ["servr"]})"), "no machine is called 'servr'; did you mean 'server'?"},
      {policy(R"({"models": []})"), "at least one"},
      {policy(R"({"models": [""]})"), "empty"},
      {policy(R"({"models": 3})"), "field 'models'"},
      {policy(R"({"min_grade": "B"})"), "'rules[0]': 'models' is missing"},
      {policy(R"({"models": "a"}, 5)"), "'rules[1]': an object is expected"},
      {policy(""), "at least one rule"},
      {policy(R"({"models": "a"})", R"("m": {"gpus": "RTX 3090"})"), "'machines.m': field 'gpus': no machine has this field; did you mean 'gpu'?"},
      {policy(R"({"models": "a"})", R"("m": {"ram": "16X"})"), "'16X' is not a size"},
      {policy(R"({"models": "a"})", R"("m": 3)"), "'machines.m'"},
      {policy(R"({"models": "a"})", R"("": {})"), "no name"},
      {policy(R"({"models": "a"})", ""), "a machine for each name"},
      {R"({"schema": "canirun.policy/1", "rule": []})", "did you mean 'rules'?"},
      {R"({"schema": "canirun.policy/1"})", "'rules' is missing"},
      {R"({"schema": "canirun.policy/2", "rules": []})", "\"canirun.policy/1\" is expected"},
      {R"({"rules": []})", "\"canirun.policy/1\" is expected"},
      {"[]", "\"canirun.policy/1\" is expected"},
      {R"({"schema": "canirun.policy/1")", ""},
  }));
  // clang-format on
  CAPTURE(slip.json);
  CHECK(message_of(slip.json).find(slip.says) != std::string::npos);
}
