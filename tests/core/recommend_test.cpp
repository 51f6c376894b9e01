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
             model("d", "f4", Letter::S, 8, "2025-06")}) == std::vector<std::string>{"c", "d", "b", "a"});
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
  CHECK(recommend(std::vector{coder}, options).front().reason.starts_with("largest code with grade S"));
}

TEST_CASE("what a newer model of its tasks outdates is left out", "[recommend]")
{
  const auto old = model("old", "f1", Letter::A, 14, "2024-01"), newer = model("new", "f2", Letter::S, 14, "2025-01");
  CHECK(ids({old, newer}) == std::vector<std::string>{"new"});
  CHECK(ids({old, model("recent", "f2", Letter::S, 14, "2024-12")}).size() == 2);   // eleven months
  CHECK(ids({old, model("small", "f2", Letter::S, 8, "2025-06")}).size() == 2);     // smaller
  CHECK(ids({old, model("worse", "f2", Letter::B, 20, "2025-06")}).size() == 2);    // grades worse here
  CHECK(ids({model("undated", "f1", Letter::A, 14, ""), newer}).size() == 2);
  auto coder = old;
  coder.tasks = {"code"};
  CHECK(ids({coder, newer}).size() == 2);  // another task
}

TEST_CASE("each recommendation says what it adds to those above it", "[recommend]")
{
  const std::vector models{model("a", "f1", Letter::S, 9, "2025-01"), model("b", "f1", Letter::S, 8, "2025-02"),
                           model("c", "f2", Letter::S, 7, "2025-01"), model("d", "f1", Letter::A, 6, "2025-01")};
  std::vector<std::string> reasons;
  for (const auto& r : recommend(models, {})) reasons.push_back(r.reason);
  CHECK(reasons == std::vector<std::string>{"largest with grade S", "newest so far", "f2 as a choice"});
}

TEST_CASE("the order of the input does not matter", "[recommend]")
{
  CHECK(ids({model("b", "f1", Letter::S, 8), model("a", "f2", Letter::S, 8)}) ==
        ids({model("a", "f2", Letter::S, 8), model("b", "f1", Letter::S, 8)}));
}
