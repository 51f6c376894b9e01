#pragma once

#include "arch/builder.hpp"

namespace canirun {

struct Architecture {
  std::string_view name;  ///< GGUF general.architecture.
  void (*build)(Builder&) = nullptr;
  bool has_graph = true;  ///< false: only the weights that it declares are right.
};

/// The architecture of this name, or nullptr.
const Architecture* find_architecture(std::string_view name);

}  // namespace canirun
