#include <algorithm>
#include <filesystem>
#include <fstream>

#include "catch.hpp"
#include "machine.hpp"

using namespace canirun;

namespace {

std::vector<std::filesystem::path> machines()
{
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(CANIRUN_TEST_DIR "/fixtures/machines")) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace

TEST_CASE("every machine of the fixtures is seen as it is", "[probe][machines]")
{
  const auto files = machines();
  REQUIRE(files.size() >= 60);
  for (const auto& file : files) {
    DYNAMIC_SECTION(file.stem().string())
    {
      std::ifstream in(file);
      const auto description = nlohmann::json::parse(in);
      REQUIRE(!description.at("why").get<std::string>().empty());
      const FixtureMachine machine(description);
      ProbeOptions options;
      options.timeout = std::chrono::milliseconds(description.value("timeout_ms", 5000));
      options.wake = description.value("wake", false);
      const auto trace = machine.probe(options);
      INFO(doctor_text(trace, "0"));
      CHECK(differences(trace.profile, description.at("expect")) == "");
    }
  }
}
