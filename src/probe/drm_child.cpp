#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

#include "probe/child.hpp"
#include "probe/drm_regions.hpp"
#include "probe/sysroot.hpp"

/// \file
/// The child that asks Intel's kernel drivers for their memory regions, one render node after the other.

namespace canirun {

int run_drm_child()
{
  ChildOutput out;
  const Sysroot sys;
  for (const auto& node : sys.list("/dev/dri")) {
    if (!node.starts_with("renderD")) continue;
    const auto device = "/sys/class/drm/" + node + "/device";
    const auto driver = sys.link_name(device + "/driver").value_or("");
    if ((driver != "i915" && driver != "xe") || sys.line(device + "/power/runtime_status") == "suspended") continue;
    const auto address = sys.link_name(device);
    if (!address) continue;
    const int fd = ::open(("/dev/dri/" + node).c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) {
      out.write({{"address", *address}, {"driver", driver}, {"error", errno == EACCES ? "permission denied" : "cannot be opened"}});
      continue;
    }
    const auto regions = drm_regions(driver, [fd](unsigned long request, void* argument) {
      int result = 0;
      do {
        result = ::ioctl(fd, request, argument);
      } while (result != 0 && (errno == EINTR || errno == EAGAIN));
      return result == 0 ? 0 : -errno;
    });
    nlohmann::json line{{"address", *address}, {"driver", driver}};
    if (regions) {
      line["regions"] = nlohmann::json::array();
      for (const auto& r : *regions) line["regions"].push_back({{"local", r.device_local}, {"size", r.size}, {"free", r.free}});
    } else {
      line["error"] = "the kernel does not list memory regions";
    }
    out.write(line);
    ::close(fd);
  }
  out.done();
}

}  // namespace canirun
