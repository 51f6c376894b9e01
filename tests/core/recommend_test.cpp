#include "canirun/core/recommend.hpp"

#include "catch.hpp"

using namespace canirun;

namespace {

ModelReport model(std::string id, std::string family, Letter letter, std::uint64_t n_params, std::string release = "2025-01")
{
  ModelReport m;
  m.id = std::move(id);
  m.family = std::move(family);
  m.grade = letter;
  m.n_params = n_params;
  m.release = std::move(release);
  m.tasks = {"chat"};
  m.quants.emplace_back();
  m.quants.back().grade.letter = letter;
  m.best = 0;
  return m;
}

std::vector<std::string> ids(const std::vector<ModelReport>& models, const RecommendOptions& options = {})
{
  std::vector<std::string> result;
  for (const auto& r : recommend(models, options)) result.push_back(models[r.model].id);
  return result;
}

}  // namespace

TEST_CASE("better grades come first, then larger, then newer models", "[recommend]")
{
  CHECK(ids({model("a", "f1", Letter::A, 70), model("b", "f2", Letter::S, 8), model("c", "f3", Letter::S, 14),
             model("d", "f4", Letter::S, 8, "2026-01")}) == std::vector<std::string>{"c", "d", "b", "a"});
}

TEST_CASE("a family fills no more than its places", "[recommend]")
{
  CHECK(ids({model("a", "f", Letter::S, 4), model("b", "f", Letter::S, 3), model("c", "f", Letter::S, 2),
             model("d", "g", Letter::A, 1)}) == std::vector<std::string>{"a", "b", "d"});
}

TEST_CASE("what does not fit, has no plan or another task is not recommended", "[recommend]")
{
  auto unplanned = model("u", "f", Letter::S, 4);
  unplanned.grade.reset();
  unplanned.best.reset();
  auto coder = model("c", "g", Letter::S, 4);
  coder.tasks = {"code"};
  RecommendOptions options;
  options.task = "code";
  CHECK(ids({unplanned, coder, model("chat", "h", Letter::S, 9), model("f", "i", Letter::F, 9)}, options) ==
        std::vector<std::string>{"c"});
  CHECK(recommend(std::vector{coder}, options).front().reason.starts_with("largest code model with grade S"));
}

TEST_CASE("the order of the input does not matter", "[recommend]")
{
  CHECK(ids({model("b", "f1", Letter::S, 8), model("a", "f2", Letter::S, 8)}) ==
        ids({model("a", "f2", Letter::S, 8), model("b", "f1", Letter::S, 8)}));
}
