// The probe alone: what it finds as JSON, and nothing else of the program.
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string_view>

#include "canirun/core/hardware_json.hpp"
#include "canirun/probe/probe.hpp"

int main(int argc, char** argv)
{
  constexpr std::string_view k_child = "--probe-child=";
  if (argc == 2 && std::string_view(argv[1]).starts_with(k_child))
    return canirun::run_probe_child(std::string_view(argv[1]).substr(k_child.size()));
  std::puts(canirun::to_json(canirun::probe_machine({})).dump().c_str());
  return 0;
}
