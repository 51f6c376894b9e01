#include "web.hpp"

// Defined in web.S: the first byte of each file and the one after its last.
#define CANIRUN_EMBEDDED(name)              \
  extern "C" {                              \
  extern const char canirun_##name[];       \
  extern const char canirun_##name##_end[]; \
  }                                         \
  std::string_view canirun::name() { return {canirun_##name, canirun_##name##_end}; }

CANIRUN_EMBEDDED(web_style)
CANIRUN_EMBEDDED(web_glue)
CANIRUN_EMBEDDED(web_jquery)
CANIRUN_EMBEDDED(web_datatables)
CANIRUN_EMBEDDED(web_chart)
