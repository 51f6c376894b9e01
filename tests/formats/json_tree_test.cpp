#include "formats/json_tree.hpp"

#include <string>

#include "catch.hpp"

using namespace canirun;

namespace {

std::string problem(std::string_view text)
{
  const auto document = JsonDocument::parse(text, "f.json");
  return document ? "" : document.error().message;
}

}  // namespace

TEST_CASE("values of every kind are read with their position", "[formats][json]")
{
  const std::string text = "{\n  \"a\": [1, -2.5, 1e3, true, null, \"x\\u00e9\\n\"],\n  \"b\": 18446744073709551615\n}";
  const auto document = JsonDocument::parse(text, "f.json");
  REQUIRE(document);
  const auto* a = document->find(document->root(), "a");
  REQUIRE(a);
  CHECK(a->size == 6);
  const auto* item = document->first(*a);
  CHECK(item->whole == 1);
  item = document->next(*item);
  CHECK(item->kind == JsonKind::real);
  CHECK(item->real == -2.5);
  item = document->next(*item);
  CHECK(item->real == 1000);
  item = document->next(*item);
  CHECK(item->kind == JsonKind::boolean);
  item = document->next(*item);
  CHECK(item->kind == JsonKind::null);
  item = document->next(*item);
  CHECK(item->string == "x\xC3\xA9\n");
  const auto* b = document->find(document->root(), "b");
  REQUIRE(b);
  CHECK(b->whole == 18446744073709551615ULL);
  CHECK(document->where(*b) == "f.json:3:8");
}

TEST_CASE("what is not JSON is one sentence with its line and column", "[formats][json]")
{
  CHECK(problem("") == "f.json:1:1: the text ends too early");
  CHECK(problem("{\"a\": 1,}") == "f.json:1:9: a key in quotation marks is expected");
  CHECK(problem("[1,\n 2") == "f.json:2:3: the text ends too early");
  CHECK(problem("[NaN]") == "f.json:1:2: this is not a JSON value");
  CHECK(problem("[-Infinity]") == "f.json:1:2: this is not a JSON value");
  CHECK(problem("[1e999]") == "f.json:1:2: this number is out of range");
  CHECK(problem("[01]") == "f.json:1:4: a number starts with 0");
  CHECK(problem("{\"a\":1, \"a\":2}") == "f.json:1:9: this key is given twice");
  CHECK(problem("[\"\\ud800\"]") == "f.json:1:9: half of a surrogate pair");
  CHECK(problem("[\"a\nb\"]") == "f.json:1:4: a string holds a control character or is not closed");
  CHECK(problem("{} x") == "f.json:1:4: there is text after the end of the document");
}

TEST_CASE("hostile nesting is refused before it can exhaust the stack", "[formats][json]")
{
  CHECK(problem(std::string(1'000'000, '[')) == "f.json:1:66: lists and objects are nested more than 64 deep");
}
