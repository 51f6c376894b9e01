#include <clocale>
#include <nlohmann/json.hpp>
#include <thread>

#include "canirun/core/hardware_json.hpp"
#include "canirun/formats/profile.hpp"
#include "canirun/render/renderer.hpp"
#include "catch.hpp"
#include "properties/sample.hpp"

using namespace canirun;

namespace {

Report draw_report(std::uint32_t seed)
{
  Draw draw(seed);
  Report report;
  report.hardware = draw_machine(draw);
  const auto* entry = planned_models()[draw.below(planned_models().size())];
  auto question = draw_question(draw, entry->spec);
  question.quants = {FileType::Q4_K_M, FileType::Q8_0};
  report.workload = question.workload;
  report.placement = question.placement;
  report.models.push_back(evaluate(entry->spec, entry->facts, report.hardware, question));
  return report;
}

std::string rendered(const Report& report, std::string_view format)
{
  const auto renderer = make_renderer(format);
  REQUIRE(renderer);
  return (*renderer)->render(Reports(&report, 1), {});
}

/// A locale that writes 1,5 for 1.5; nothing where the system has none.
const char* comma_locale()
{
  for (const auto* name : {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE", "nl_NL.UTF-8"}) {
    if (std::setlocale(LC_ALL, name) && *std::localeconv()->decimal_point == ',') return name;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("a report that is read and written again is the same text", "[property]")
{
  for (std::uint32_t seed = 0; seed < 150; ++seed) {
    const auto text = rendered(draw_report(seed), "json");
    const auto document = nlohmann::ordered_json::parse(text, nullptr, false);
    REQUIRE_FALSE(document.is_discarded());
    CAPTURE(seed);
    CHECK(document.dump(2) + "\n" == text);
    CHECK(text.find("null,null") == std::string::npos);
  }
}

TEST_CASE("every card of the table makes a profile that is read again as the same", "[property]")
{
  for (const auto& entry : gpu_table().entries()) {
    HardwareProfile machine;
    machine.memory.total = Bytes{std::uint64_t{64} << 30U};
    machine.gpus.push_back(to_gpu(entry, Bytes{std::uint64_t{8} << 30U}));
    const auto read = parse_profile(to_json(machine).dump(), "written");
    CAPTURE(entry.id);
    REQUIRE(read);
    machine.gpus[0].from_table = read->gpus[0].from_table;
    CHECK(*read == machine);
  }
}

TEST_CASE("many threads that ask at once get what one gets", "[property]")
{
  std::vector<std::string> alone, together(24);
  for (std::uint32_t seed = 0; seed < together.size(); ++seed) alone.push_back(rendered(draw_report(seed), "json"));
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (auto i = t; i < together.size(); i += 4) together[i] = rendered(draw_report(static_cast<std::uint32_t>(i)), "json");
      });
    }
  }
  CHECK(alone == together);
}

TEST_CASE("numbers do not follow the locale", "[property]")
{
  const auto before = std::setlocale(LC_ALL, nullptr) ? std::string(std::setlocale(LC_ALL, nullptr)) : "C";
  std::vector<std::string> plain;
  for (const auto format : format_names()) plain.push_back(rendered(draw_report(7), format));
  const auto* locale = comma_locale();
  if (!locale) {
    WARN("this system has no locale with a decimal comma");
    return;
  }
  CAPTURE(locale);
  std::size_t i = 0;
  for (const auto format : format_names()) CHECK(rendered(draw_report(7), format) == plain[i++]);
  CHECK(parse_profile(R"({"schema": "canirun.hardware/1", "gpus": [{"name": "x", "bandwidth": {"value": 1.5, "unit": "B/s"}}]})", "p")
            .has_value());
  std::setlocale(LC_ALL, before.c_str());
}
