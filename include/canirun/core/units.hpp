#pragma once

#include <compare>
#include <cstdint>

/// \file
/// Units that must not be mixed up. `Bytes` is the one currency of memory: integral and exact, so equality in tests means
/// equality. `GiB` is a way out for people and thresholds, never a way back.

namespace canirun {

/// A number of bytes. Sums of sizes of real machines are far below 2^64; products of untrusted factors go through `checked_mul`.
struct Bytes {
  std::uint64_t count = 0;

  friend constexpr auto operator<=>(Bytes, Bytes) = default;
  friend constexpr Bytes operator+(Bytes a, Bytes b) { return {a.count + b.count}; }
  friend constexpr Bytes operator*(std::uint64_t n, Bytes b) { return {n * b.count}; }
  constexpr Bytes& operator+=(Bytes b)
  {
    count += b.count;
    return *this;
  }
};

/// `a - b`, or zero when `b` is larger: free memory is never negative.
constexpr Bytes saturating_sub(Bytes a, Bytes b) { return {a > b ? a.count - b.count : 0}; }

/// The least multiple of `alignment` that is at least `b`; `alignment` ≥ 1.
constexpr Bytes align_up(Bytes b, std::uint64_t alignment) { return {(b.count + alignment - 1) / alignment * alignment}; }

/// Binary gibibytes (2^30 bytes), for display and thresholds only; it has no arithmetic.
struct GiB {
  double value = 0;
  friend constexpr auto operator<=>(GiB, GiB) = default;
};
constexpr GiB to_gib(Bytes b) { return {static_cast<double>(b.count) / 1073741824.0}; }

/// Mean bits per weight over a file.
struct BitsPerWeight {
  double value = 0;
  friend constexpr auto operator<=>(BitsPerWeight, BitsPerWeight) = default;
};

/// Memory bandwidth. Vendors print decimal GB/s = 10^9 bytes a second.
struct BytesPerSecond {
  double value = 0;
  friend constexpr auto operator<=>(BytesPerSecond, BytesPerSecond) = default;
};

/// The least multiple of `unit` that is at least `n`; `unit` ≥ 1. Counts of tokens and cells are padded by it.
constexpr std::uint64_t pad_to(std::uint64_t n, std::uint64_t unit) { return (n + unit - 1) / unit * unit; }

namespace literals {
constexpr Bytes operator""_B(unsigned long long n) { return {n}; }
constexpr Bytes operator""_KiB(unsigned long long n) { return {n << 10}; }
constexpr Bytes operator""_MiB(unsigned long long n) { return {n << 20}; }
constexpr Bytes operator""_GiB(unsigned long long n) { return {n << 30}; }
constexpr BytesPerSecond operator""_GBps(unsigned long long n) { return {static_cast<double>(n) * 1e9}; }
constexpr BytesPerSecond operator""_GBps(long double n) { return {static_cast<double>(n) * 1e9}; }
constexpr BitsPerWeight operator""_bpw(long double n) { return {static_cast<double>(n)}; }
}  // namespace literals

}  // namespace canirun
