#include "builtin_data.hpp"

// Defined in builtin_data.S: the first byte of each file and the one after its last.
extern "C" {
extern const char canirun_models_json[];
extern const char canirun_models_json_end[];
extern const char canirun_gpus_json[];
extern const char canirun_gpus_json_end[];
}

namespace canirun {

std::string_view builtin_models_json() { return {canirun_models_json, canirun_models_json_end}; }
std::string_view builtin_gpus_json() { return {canirun_gpus_json, canirun_gpus_json_end}; }

}  // namespace canirun
