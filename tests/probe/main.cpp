// The probe starts children as `/proc/self/exe --probe-child=…`: under test that is this program.
#define CATCH_CONFIG_RUNNER
#if __has_include(<catch2/catch_session.hpp>)
#include <catch2/catch_session.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <string_view>

#include "canirun/probe/probe.hpp"

int main(int argc, char** argv)
{
  constexpr std::string_view k_child = "--probe-child=";
  if (argc == 2 && std::string_view(argv[1]).starts_with(k_child))
    return canirun::run_probe_child(std::string_view(argv[1]).substr(k_child.size()));
  return Catch::Session().run(argc, argv);
}
