#include <cstdio>

#include <string_view>

#include "canirun/probe/probe.hpp"

int main(int argc, char** argv)
{
  constexpr std::string_view k_child = "--probe-child=";
  if (argc == 2 && std::string_view(argv[1]).starts_with(k_child)) return canirun::run_probe_child(std::string_view(argv[1]).substr(k_child.size()));
  const auto machine = canirun::probe_machine({});
  std::printf("%zu GPUs\n", machine.gpus.size());
  return 0;
}
