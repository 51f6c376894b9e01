#include <cstdio>

#include "canirun/probe/probe.hpp"

int main()
{
  const auto machine = canirun::probe_machine({});
  std::printf("%zu GPUs\n", machine.gpus.size());
  return 0;
}
