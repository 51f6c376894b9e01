#include "render/html.hpp"

#include <array>

#include "catch.hpp"

using namespace canirun;
using namespace canirun::literals;

namespace {

/// One model with two rows on one GPU; its name is what a hostile file could call itself.
Report hostile_report()
{
  Report report;
  Gpu gpu;
  gpu.name = "RTX <b>4090</b>";
  gpu.memory_total = Figure{24.0 * 1073741824.0, "B", "table:geforce-rtx-4090", FigureConfidence::table, {}};
  report.hardware.gpus.push_back(gpu);
  ModelReport model;
  model.id = "evil";
  model.name = "<script>alert(1)</script>";
  for (const auto type : {FileType::Q4_K_M, FileType::F16}) {
    QuantReport row;
    row.quant = type;
    row.fits = true;
    row.grade.letter = type == FileType::F16 ? Letter::F : Letter::S;
    MemoryParts parts;
    parts.weights = type == FileType::F16 ? 30_GiB : 8_GiB;
    parts.kv_cache = 1_GiB;
    row.memory = parts;
    row.devices.push_back({"gpu0", "</script><script>alert(2)</script>", parts, 23_GiB});
    row.placement.mode = Placement::Mode::gpu;
    row.placement.gpus = {0};
    model.quants.push_back(row);
  }
  model.best = 0;
  model.grade = Letter::S;
  report.models.push_back(model);
  return report;
}

std::size_t count(const std::string& text, std::string_view part)
{
  std::size_t n = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++n;
  return n;
}

std::string page_of(const Report& report) { return HtmlRenderer().render({&report, 1}, {}); }

}  // namespace

TEST_CASE("names from files stay text in the page", "[html]")
{
  const auto page = page_of(hostile_report());
  CHECK(page.find("<script>alert") == std::string::npos);
  CHECK(page.find("&lt;script&gt;alert(1)&lt;/script&gt;") != std::string::npos);
  CHECK(page.find("RTX <b>") == std::string::npos);
  // A page with harmless names has as many scripts: a name adds none.
  auto harmless = hostile_report();
  harmless.models.front().name = "Llama";
  for (auto& row : harmless.models.front().quants) row.devices.front().name = "card";
  CHECK(count(page, "<script") == count(page_of(harmless), "<script"));
}

TEST_CASE("the page needs nothing from outside", "[html]")
{
  const auto page = page_of(hostile_report());
  const auto markup = page.substr(0, page.find("<script>"));  // before the libraries, whose text may say anything
  CHECK(count(markup, " src=") == 0);
  CHECK(count(markup, "http") == 1);  // http-equiv of the policy that forbids every request
  CHECK(page.find("<link rel=\"stylesheet\"") == std::string::npos);
  CHECK(page.find("Content-Security-Policy") != std::string::npos);
}

TEST_CASE("every quantisation is a row with its grade as a letter", "[html]")
{
  const auto page = page_of(hostile_report());
  CHECK(page.find("<td>Q4_K_M</td>") != std::string::npos);
  CHECK(page.find("<span class=\"grade S\">S</span>") != std::string::npos);
  CHECK(page.find("<span class=\"grade F\">F</span>") != std::string::npos);
  CHECK(page.find("9.0</td>") != std::string::npos);  // 8 GiB of weights and 1 GiB of cache
}

TEST_CASE("a heat map has a cell for each context and quantisation", "[html]")
{
  auto report = hostile_report();
  report.models.front().contexts = {{2048, {{Letter::S, 8_GiB}, {Letter::D, 30_GiB}}}, {131072, {{Letter::A, 12_GiB}, {Letter::F, 60_GiB}}}};
  const auto page = page_of(report);
  CHECK(page.find("<th scope=\"col\">128k</th>") != std::string::npos);
  CHECK(page.find("<td class=\"A\">A <small>12.0</small></td>") != std::string::npos);
  CHECK(page.find("<td class=\"F\">F <small>60.0</small></td>") != std::string::npos);
}

TEST_CASE("machines stand side by side, whatever the order of their models", "[html]")
{
  auto first = hostile_report(), second = hostile_report();
  first.machine = "old <b>";
  second.machine = "new";
  auto other = second.models.front();
  other.id = other.name = "other";
  first.models.push_back(other);
  second.models.insert(second.models.begin(), other);
  second.models.back().quants.front().grade.letter = Letter::B;
  const std::array reports{first, second};
  const auto page = HtmlRenderer().render(reports, {});
  CHECK(page.find("old &lt;b&gt;</th>") != std::string::npos);
  // The first model of the first machine: S there, B on the second.
  const auto row = page.substr(page.find("<tr><td>&lt;script&gt;"), 400);
  CHECK(row.find("grade S") < row.find("grade B"));
}
