#include "probe/child.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "canirun/probe/probe.hpp"

namespace canirun {

namespace {

// The most that a user may ask for by default (/proc/sys/fs/pipe-max-size).
constexpr int k_pipe_size = 1 << 20;

/// This program. Without /proc (a bare container) the kernel's own record of how it was started.
std::string own_program()
{
  if (::access("/proc/self/exe", X_OK) == 0) return "/proc/self/exe";
  const auto path = ::getauxval(AT_EXECFN);
  return path != 0 ? reinterpret_cast<const char*>(path) : "canirun";  // NOLINT(performance-no-int-to-ptr): that is how the kernel gives it
}

std::vector<char*> pointers(std::vector<std::string>& strings)
{
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (auto& s : strings) out.push_back(s.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace

void ChildLines::add(std::string_view bytes)
{
  received_ += bytes.size();
  partial_ += bytes;
  std::size_t start = 0;
  for (auto end = partial_.find('\n'); end != std::string::npos; end = partial_.find('\n', start)) {
    auto line = nlohmann::json::parse(partial_.begin() + static_cast<std::ptrdiff_t>(start),
                                      partial_.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    start = end + 1;
    if (!line.is_object()) continue;  // noise
    if (line.contains("done")) {
      done_ = true;
    } else {
      lines_.push_back(std::move(line));
    }
  }
  partial_.erase(0, start);
}

Result<ChildProcess> ChildProcess::start(const std::string& what, const std::vector<std::string>& environment)
{
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return fail(ErrorKind::unavailable, fmt::format("no pipe for a child process: {}", std::strerror(errno)));
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  const bool has_null = ::access("/dev/null", R_OK | W_OK) == 0;  // a bare container may lack it
  if (has_null) ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  if (has_null) ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  std::vector<std::string> arguments{"canirun", "--probe-child=" + what};
  auto variables = environment;
  const auto program = own_program();
  pid_t pid = -1;
  const int error =
      ::posix_spawn(&pid, program.c_str(), &actions, &attributes, pointers(arguments).data(), pointers(variables).data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  ::close(ends[1]);
  if (error != 0) {
    ::close(ends[0]);
    return fail(ErrorKind::unavailable, fmt::format("no child process could be started: {}", std::strerror(error)));
  }
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  ::fcntl(ends[0], F_SETPIPE_SZ, k_pipe_size);  // a child need not wait while another one is listened to
  return ChildProcess(pid, ends[0]);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept { *this = std::move(other); }

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept
{
  std::swap(pid_, other.pid_);
  std::swap(fd_, other.fd_);
  std::swap(output_, other.output_);
  return *this;
}

ChildProcess::~ChildProcess()
{
  close_output();
  if (pid_ <= 0) return;
  ::kill(-pid_, SIGKILL);
  // A child in an uninterruptible wait cannot be killed: give the kernel a moment, then leave it to init. One that said that it was
  // done is on its way out and not waited for.
  for (int i = 0; i < 20 && ::waitpid(pid_, nullptr, WNOHANG) == 0 && !output_.done(); ++i) ::usleep(500);
}

void ChildProcess::close_output()
{
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

std::string ChildProcess::fate()
{
  if (pid_ <= 0) return "ended";
  int status = 0;
  for (int i = 0; i < 50; ++i) {
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      ::kill(-pid_, SIGKILL);  // what it may have started
      pid_ = -1;
      return WIFSIGNALED(status) ? fmt::format("signal {}", WTERMSIG(status)) : fmt::format("status {}", WEXITSTATUS(status));
    }
    if (fd_ >= 0) break;  // its output is open: it runs
    ::usleep(1000);
  }
  return "still running";
}

void ChildProcess::read_some()
{
  char buffer[65536];
  const auto n = ::read(fd_, buffer, sizeof buffer);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return close_output();
  output_.add({buffer, static_cast<std::size_t>(n)});
  if (output_.flooded()) close_output();
}

void ChildProcess::collect(std::span<ChildProcess*> children, Clock::time_point deadline)
{
  while (true) {
    std::vector<pollfd> fds;
    std::vector<ChildProcess*> open;
    for (auto* child : children) {
      if (child->finished()) continue;
      fds.push_back({child->fd_, POLLIN, 0});
      open.push_back(child);
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (fds.empty()) return;
    // What a child wrote while another one was waited for counts, even past the deadline.
    const int ready = ::poll(fds.data(), fds.size(), static_cast<int>(std::clamp<long long>(left, 0, 1000)));
    if ((ready < 0 && errno != EINTR) || (ready == 0 && left <= 0)) return;
    for (std::size_t i = 0; ready > 0 && i < fds.size(); ++i) {
      if (fds[i].revents != 0) open[i]->read_some();
    }
  }
}

namespace {

/// Variables that drivers and their loaders read, by the beginning of their names. Everything else (tokens, settings of other
/// programs) is nothing to them.
bool for_drivers(std::string_view name)
{
  constexpr std::array k_names{"PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DRIRC_CONFIGDIR"};
  constexpr std::array k_beginnings{
      "XDG_",  "VK_",   "CANIRUN_",                                                       // loader, ourselves
      "MESA_", "RADV_", "ANV_",    "NVK_",  "TU_",     "LP_",   "LIBGL_", "GBM_", "EGL_",  // Mesa
      "AMD_",  "HSA_",  "HIP_",    "ROCR_", "ROCM_",   "GPU_",                            // AMD
      "CUDA_", "NV_",   "NVIDIA_", "__NV_", "__GL",    "__VK",  "__EGL",                  // NVIDIA
      "INTEL_", "ZE_",  "WSL",     "DXCORE_",                                             // Intel, WSL
      "ASAN_", "UBSAN_", "LSAN_"};                                                        // sanitizers, in builds for tests
  return std::ranges::find(k_names, name) != k_names.end() ||
         std::ranges::any_of(k_beginnings, [&](const char* beginning) { return name.starts_with(beginning); });
}

}  // namespace

std::vector<std::string> child_environment(const std::vector<std::string>& changes)
{
  std::vector<std::string> all{
      fmt::format("{}={}", k_in_probe_child, ::getpid()),
      // Overlays and capture layers crash in programs that draw nothing; device-select reorders. Loaders before 1.3.234 do not
      // know the first variable, so the commonest layers are switched off by their own.
      "VK_LOADER_LAYERS_DISABLE=~implicit~", "NODEVICE_SELECT=1", "DISABLE_MANGOHUD=1", "DISABLE_VKBASALT=1",
      "DISABLE_OBS_VKCAPTURE=1", "DISABLE_VULKAN_OBS_CAPTURE=1", "DISABLE_VK_LAYER_VALVE_steam_overlay_1=1",
      "DISABLE_VK_LAYER_VALVE_steam_fossilize_1=1", "DISABLE_GAMESCOPE_WSI=1", "DISABLE_LSFG=1",
      // Which device comes first must not depend on a game's settings.
      "MESA_VK_DEVICE_SELECT", "MESA_VK_DEVICE_SELECT_FORCE_DEFAULT_DEVICE", "VK_INSTANCE_LAYERS", "VK_LOADER_DEBUG",
      "VK_LOADER_LAYERS_ENABLE"};
  all.insert(all.end(), changes.begin(), changes.end());
  const auto name_of = [](std::string_view text) { return text.substr(0, text.find('=')); };
  std::vector<std::string> out;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const auto name = name_of(*variable);
    if (for_drivers(name) && std::ranges::none_of(all, [&](const auto& change) { return name_of(change) == name; }))
      out.emplace_back(*variable);
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool later = std::any_of(all.begin() + static_cast<std::ptrdiff_t>(i) + 1, all.end(),
                                   [&](const auto& change) { return name_of(change) == name_of(all[i]); });
    if (!later && all[i].find('=') != std::string::npos) out.push_back(all[i]);
  }
  return out;
}

ChildOutput::ChildOutput()
{
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // nothing is left running when the parent is interrupted
  const char* parent = std::getenv(k_in_probe_child);
  if (parent != nullptr && fmt::format("{}", ::getppid()) != parent) ::_exit(3);  // it ended before that took effect
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  fd_ = ::fcntl(1, F_DUPFD_CLOEXEC, 3);
  int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) null = ::memfd_create("null", MFD_CLOEXEC);
  for (const int stream : {0, 1, 2}) null >= 0 ? ::dup2(null, stream) : ::close(stream);
  if (null > 2) ::close(null);
}

void ChildOutput::write(const nlohmann::json& line)
{
  const auto text = line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  std::string_view left = text;
  while (!left.empty()) {
    const auto n = ::write(fd_, left.data(), left.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) ::_exit(3);  // nobody listens
    left.remove_prefix(static_cast<std::size_t>(n));
  }
}

void ChildOutput::done()
{
  write({{"done", true}});
  ::_exit(0);
}

int run_probe_child(std::string_view source)
{
  if (source == "vulkan") return run_vulkan_child(Measure::none);
  if (source == "vulkan-measure") return run_vulkan_child(Measure::gpus);
  if (source == "vulkan-measure-software") return run_vulkan_child(Measure::software_too);
  if (source == "nvml") return run_nvml_child();
  if (source == "drm") return run_drm_child();
  return 2;
}

}  // namespace canirun
