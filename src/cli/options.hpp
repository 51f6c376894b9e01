#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "canirun/core/check.hpp"
#include "canirun/core/evaluate.hpp"
#include "canirun/core/plan.hpp"
#include "canirun/formats/fleet_shard.hpp"
#include "quants.hpp"

/// \file
/// The command line as plain values.

namespace canirun {

enum class Command { grade, check, plan, probe, fleet, models, gpus, doctor, completion, verify };
enum class ColourChoice { automatic, always, never };
enum class Help { none, brief, full };

/// What replaces or extends this machine's own figures.
struct MachineOptions {
  std::string hardware;  ///< A profile; "-" = stdin; empty = this machine.
  std::vector<std::string> gpus;
  std::optional<Bytes> vram;
  std::optional<Bytes> ram;
  bool no_gpu = false;
  std::optional<BytesPerSecond> gpu_bandwidth;
  std::optional<BytesPerSecond> ram_bandwidth;
  std::optional<std::uint32_t> cores;
  std::optional<std::string> host;  ///< The name that goes into the profile; none unless it is given.
  bool measure = false;  ///< Bandwidths are measured, not taken from tables.
  bool deep = false;     ///< Drivers are asked even where no device node of a GPU exists, and given more time.
  bool wake = false;     ///< GPUs that sleep are woken to be asked.
  std::optional<std::chrono::milliseconds> probe_timeout;
};

/// Which models of the catalogue.
struct Selection {
  bool all = false;
  bool pictures = false;  ///< Image and video models only: the runtime has no others.
  std::vector<std::string> tasks, families;
  std::vector<std::string> providers, licenses;
  std::string search;
  std::uint64_t min_params = 0, max_params = UINT64_MAX;
  std::string since;  ///< Released in this month or later, "2025-01".

  bool any() const
  {
    return all || !tasks.empty() || !families.empty() || !providers.empty() || !licenses.empty() || !search.empty() ||
           min_params > 0 || max_params < UINT64_MAX || !since.empty();
  }
};

/// What only `fleet` takes.
struct FleetOptions {
  std::vector<std::string> models;
  std::vector<std::string> compare;  ///< Two models, or none.
  std::optional<Shard> shard;
  bool merge = false;  ///< The words are files that --shard wrote.
};

struct Options {
  Command command = Command::grade;
  std::vector<std::string> words;  ///< Models, or what follows a command.
  Selection selection;
  std::vector<std::string> catalogue_files;
  MachineOptions machine;
  std::vector<std::string> profiles;  ///< Each --hardware; several are compared. `machine.hardware` is the first.
  Question question;
  AskedQuants quants;       ///< What --quant names; `question` has what its runtime takes of it.
  bool all_quants = false;  ///< --quant was given: every row of it is shown.
  Requirements requirements;
  std::string policy;  ///< check: a file with models, requirements and machines.
  std::chrono::milliseconds deadline{300'000};  ///< verify: for each program.
  bool save = false;                            ///< verify: keep what was measured.
  FleetOptions fleet;
  std::optional<Goal> goal;  ///< plan: search settings of this machine instead of machines.

  std::string format = "table";
  std::string emit;    ///< A target of `emit_run`: only how to run the model is printed.
  std::string output;  ///< Empty or "-" = stdout.
  std::string sort = "grade";
  std::uint32_t limit = 0;
  bool explain = false, plain = false, quiet = false, verbose = false;
  bool ids = false;  ///< models, gpus: only their ids, one a line.
  ColourChoice colour = ColourChoice::automatic;

  Help help = Help::none;
  bool version = false;
};

}  // namespace canirun
