#pragma once

#include "canirun/core/model.hpp"
#include "config_keys.hpp"

/// \file
/// The parts of a config.json beyond the plain decoder. Each takes the spec with its counts set and adds its part when the config
/// has it. Sources: llama.cpp v0.5.0, conversion/*.py.

namespace canirun {

void read_config_recurrent(ConfigKeys& in, ModelSpec& spec);
void read_config_moe(ConfigKeys& in, ModelSpec& spec);
void read_config_swa(ConfigKeys& in, ModelSpec& spec);
void read_config_mla(ConfigKeys& in, ModelSpec& spec);

}  // namespace canirun
