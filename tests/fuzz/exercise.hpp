#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

#include "canirun/core/evaluate.hpp"
#include "laws.hpp"

/// \file
/// What fuzz targets share: bytes as a file, and the whole chain over a model that came out of them.

namespace canirun {

/// Bytes as a file without a disk; `hole` more bytes of zeros follow.
class MemoryFile {
 public:
  MemoryFile(std::string_view bytes, std::uint64_t hole = 0) : fd_(::memfd_create("input", MFD_CLOEXEC))
  {
    if (fd_ < 0 || ::ftruncate(fd_, static_cast<off_t>(bytes.size() + hole)) != 0 ||
        ::pwrite(fd_, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
      __builtin_trap();
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(fd_); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

/// Ends the process, which is what a fuzzer records.
inline void require(const std::optional<std::string>& law)
{
  if (!law) return;
  std::fprintf(stderr, "broken: %s\n", law->c_str());
  __builtin_trap();
}

/// A machine with one GPU of 12 GiB and 64 GiB of RAM.
inline HardwareProfile a_machine()
{
  HardwareProfile machine;
  machine.cpu.usable_cores = 8;
  machine.memory.total = Bytes{std::uint64_t{64} << 30};
  machine.memory.bandwidth = Figure{60e9, "B/s", "test", FigureConfidence::reported, {}};
  Gpu gpu;
  gpu.name = "GPU";
  gpu.backends = {"cuda", "vulkan"};
  gpu.memory_total = Figure{12.0 * 1073741824, "B", "test", FigureConfidence::reported, {}};
  gpu.bandwidth = Figure{360e9, "B/s", "test", FigureConfidence::reported, {}};
  machine.gpus.push_back(gpu);
  return machine;
}

/// A spec that a reader accepted goes through the whole chain, and what comes out obeys the laws.
inline void exercise(const ModelSpec& spec, FileType type = FileType::Q4_K_M)
{
  if (unplannable(spec)) return;
  require(broken_law(tensor_plan(spec, type)));
  Question question;
  question.quants = {type};
  require(broken_law(evaluate(spec, {}, a_machine(), question)));
}

}  // namespace canirun
