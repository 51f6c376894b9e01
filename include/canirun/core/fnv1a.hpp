#pragma once

#include <cstdint>
#include <string_view>

namespace canirun {

/// The hash FNV-1a of 64 bits (draft-eastlake-fnv), over the bytes of a text or over whole numbers, each in one step.
struct Fnv1a {
  std::uint64_t value = 0xcbf29ce484222325;

  constexpr void add(std::uint64_t number) { value = (value ^ number) * 0x100000001b3; }
  constexpr void add(std::string_view bytes)
  {
    for (const char c : bytes) add(std::uint64_t{static_cast<unsigned char>(c)});
  }
};

}  // namespace canirun
