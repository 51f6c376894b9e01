#include "catch.hpp"
#include "laws.hpp"
#include "properties/sample.hpp"

using namespace canirun;

TEST_CASE("every report obeys the laws, whatever the model, the machine and the question", "[property]")
{
  Draw draw(1);
  for (const auto* entry : planned_models()) {
    for (int i = 0; i < 3; ++i) {
      const auto machine = draw_machine(draw);
      auto question = draw_question(draw, entry->spec);
      const auto types = all_file_types();
      if (i > 0) question.quants = {types[draw.below(types.size())], types[draw.below(types.size())]};
      const auto report = evaluate(entry->spec, entry->facts, machine, question);
      const auto law = broken_law(report);
      CAPTURE(entry->spec.id, i, machine.gpus.size(), question.workload.n_ctx);
      CHECK(law.value_or("") == "");
    }
  }
}

TEST_CASE("every row of the catalogue has a plan whose sums hold", "[property]")
{
  for (const auto* entry : planned_models()) {
    for (const auto type : {FileType::Q2_K, FileType::F32}) {
      CAPTURE(entry->spec.id);
      CHECK(broken_law(tensor_plan(entry->spec, type)).value_or("") == "");
    }
  }
}

TEST_CASE("only the best row is the best of all rows", "[property]")
{
  Draw draw(2);
  for (const auto* entry : planned_models()) {
    if (!draw.one_in(4)) continue;
    const auto machine = draw_machine(draw);
    auto question = draw_question(draw, entry->spec);
    const auto all = evaluate(entry->spec, entry->facts, machine, question);
    question.best_only = true;
    const auto best = evaluate(entry->spec, entry->facts, machine, question);
    CAPTURE(entry->spec.id);
    REQUIRE(all.best.has_value() == best.best.has_value());
    if (!all.best) continue;
    CHECK(all.quants[*all.best].quant == best.quants[*best.best].quant);
    CHECK(all.quants[*all.best].memory == best.quants[*best.best].memory);
  }
}
