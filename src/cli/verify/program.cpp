#include "verify/program.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <optional>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace canirun {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t k_error_tail = 4096;
// After a program has ended, something that it left behind may still hold its output open.
constexpr std::chrono::milliseconds k_after_end{200};
constexpr int k_poll_ms = 50;

// What finds libraries and devices; nothing that changes how llama.cpp computes (LLAMA_ARG_*, GGML_*).
constexpr std::array k_kept{"PATH",
                            "HOME",
                            "LD_LIBRARY_PATH",
                            "XDG_RUNTIME_DIR",
                            "CUDA_VISIBLE_DEVICES",
                            "HIP_VISIBLE_DEVICES",
                            "ROCR_VISIBLE_DEVICES",
                            "GGML_VK_VISIBLE_DEVICES",
                            "VK_DRIVER_FILES",
                            "VK_ICD_FILENAMES"};

bool is_file(const std::string& path)
{
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

std::vector<std::string> environment()
{
  std::vector<std::string> out{"LC_ALL=C"};
  for (const auto* name : k_kept) {
    if (const char* value = std::getenv(name)) out.push_back(fmt::format("{}={}", name, value));
  }
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& strings)
{
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (auto& s : strings) out.push_back(s.data());
  out.push_back(nullptr);
  return out;
}

/// The reading end of a pipe.
class Stream {
 public:
  Stream() = default;
  ~Stream() { close_both(); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  bool open() { return ::pipe2(ends_, O_CLOEXEC) == 0 && ::fcntl(ends_[0], F_SETFL, O_NONBLOCK) == 0; }
  int read_end() const { return ends_[0]; }
  int write_end() const { return ends_[1]; }
  bool is_open() const { return ends_[0] >= 0; }
  void close_write()
  {
    if (ends_[1] >= 0) ::close(ends_[1]);
    ends_[1] = -1;
  }
  void close_both()
  {
    close_write();
    if (ends_[0] >= 0) ::close(ends_[0]);
    ends_[0] = -1;
  }
  /// Appends what is there.
  void read_some(std::string& text)
  {
    char buffer[65536];
    const auto n = ::read(ends_[0], buffer, sizeof buffer);
    if (n > 0) text.append(buffer, static_cast<std::size_t>(n));
    else if (n == 0 || (errno != EAGAIN && errno != EINTR)) close_both();
  }

 private:
  int ends_[2] = {-1, -1};
};

/// 0, or the errno that kept it from starting. In a process group of its own, so that all of it can be ended.
int start(const std::vector<std::string>& words, const Stream& out, const Stream& err, pid_t& pid)
{
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out.write_end(), 1);
  ::posix_spawn_file_actions_adddup2(&actions, err.write_end(), 2);
  sigset_t defaults;
  ::sigemptyset(&defaults);
  ::sigaddset(&defaults, SIGPIPE);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
  auto argv = words;
  auto env = environment();
  const int error =
      ::posix_spawn(&pid, words.front().c_str(), &actions, &attributes, pointers(argv).data(), pointers(env).data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  return error;
}

}  // namespace

FoundProgram find_program(std::string_view name, const std::string& folder, std::string_view path)
{
  FoundProgram found;
  std::vector<std::string> folders;
  if (!folder.empty()) folders = {folder, folder + "/bin", folder + "/build/bin"};
  while (!path.empty()) {
    const auto end = std::min(path.find(':'), path.size());
    if (path.starts_with('/')) folders.emplace_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  for (const auto& f : folders) {
    const auto file = fmt::format("{}/{}", f, name);
    if (!is_file(file)) continue;
    if (::access(file.c_str(), X_OK) == 0) {
      found.path = file;
      return found;
    }
    if (found.not_runnable.empty()) found.not_runnable = file;
  }
  return found;
}

ProgramOutput run_program(const std::vector<std::string>& words, const RunLimits& limits)
{
  ProgramOutput result;
  Stream out, err;
  pid_t pid = -1;
  const int error = out.open() && err.open() ? start(words, out, err, pid) : errno;
  if (error != 0) {
    result.end = ProgramOutput::End::not_started;
    result.status = error;
    return result;
  }
  out.close_write();
  err.close_write();
  const auto deadline = Clock::now() + limits.deadline;
  std::optional<Clock::time_point> ended;
  int wait_status = 0;
  bool too_much = false;
  while (true) {
    std::array<pollfd, 2> polls{pollfd{out.read_end(), POLLIN, 0}, pollfd{err.read_end(), POLLIN, 0}};
    ::poll(polls.data(), polls.size(), k_poll_ms);
    if (out.is_open() && polls[0].revents != 0) out.read_some(result.out);
    if (err.is_open() && polls[1].revents != 0) err.read_some(result.err);
    if (result.err.size() > k_error_tail) result.err.erase(0, result.err.size() - k_error_tail);
    if (!ended && ::waitpid(pid, &wait_status, WNOHANG) == pid) ended = Clock::now();
    too_much = result.out.size() > limits.output;
    const bool drained = !out.is_open() && !err.is_open();
    if (too_much || (ended && (drained || Clock::now() > *ended + k_after_end)) || Clock::now() > deadline) break;
  }
  ::kill(-pid, SIGKILL);
  if (!ended) ::waitpid(pid, &wait_status, 0);
  if (too_much) result.end = ProgramOutput::End::too_much;
  else if (!ended) result.end = ProgramOutput::End::timed_out;
  else if (WIFSIGNALED(wait_status)) result.end = ProgramOutput::End::signalled, result.status = WTERMSIG(wait_status);
  else result.status = WEXITSTATUS(wait_status);
  return result;
}

std::string fate(const ProgramOutput& output, const RunLimits& limits)
{
  switch (output.end) {
    case ProgramOutput::End::exited: return fmt::format("status {}", output.status);
    case ProgramOutput::End::signalled: return fmt::format("signal {}", output.status);
    case ProgramOutput::End::timed_out:
      return fmt::format("no answer in {:g} s", static_cast<double>(limits.deadline.count()) / 1000);
    case ProgramOutput::End::too_much: return "output without end";
    case ProgramOutput::End::not_started: return fmt::format("cannot be started: {}", std::strerror(output.status));
  }
  return "";
}

}  // namespace canirun
