#pragma once

#include <string_view>

#include "canirun/core/result.hpp"
#include "probe/facts.hpp"

namespace canirun {

/// One source of facts about this machine. Windows (DXGI, D3DKMT) and macOS (sysctl, Metal) belong behind it as well.
class ProbeSource {
 public:
  virtual ~ProbeSource() = default;

  /// Short name for notes and `canirun doctor`, e.g. "vulkan".
  virtual std::string_view name() const = 0;

  /// What this source knows. `unavailable` when its library, driver or file is not there: an ordinary answer.
  virtual Result<Facts> read() = 0;
};

}  // namespace canirun
