/* What the probe is measured against: a process that loads hwloc and prints, as short as one can be. */
#include <hwloc.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
  hwloc_topology_t topology;
  setenv("HWLOC_PLUGINS_PATH", "/nonexistent", 1);
  if (hwloc_topology_init(&topology) != 0 || hwloc_topology_load(topology) != 0) return 1;
  printf("%d cores\n", hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE));
  hwloc_topology_destroy(topology);
  return 0;
}
