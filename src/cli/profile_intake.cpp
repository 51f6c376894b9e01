#include "profile_intake.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <unistd.h>
#include <vector>

#include "canirun/formats/profile.hpp"
#include "canirun/formats/profile_records.hpp"
#include "output.hpp"
#include "render/text.hpp"

namespace canirun {

namespace {

namespace fs = std::filesystem;

bool is_stream(const fs::path& path)
{
  const auto extension = path.extension();
  return extension == ".ndjson" || extension == ".jsonl";
}

/// The profiles of a folder in the order of their names. Links to folders are not followed: they may lead round in a circle.
Result<std::vector<std::string>> files_of(const std::string& folder)
{
  std::vector<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::error_code ignored;
    if (at->is_regular_file(ignored) && (at->path().extension() == ".json" || is_stream(at->path()))) files.push_back(at->path().string());
  }
  if (error) return fail(ErrorKind::io, fmt::format("cannot read {}: {}", folder, error.message()));
  if (files.empty()) return fail(ErrorKind::not_found, fmt::format("{} holds no profile; they are called *.json, *.ndjson or *.jsonl", folder));
  std::ranges::sort(files);
  return files;
}

class Reader {
 public:
  Reader(const GpuTable& table, ClassFolder& folder) : table_(table), folder_(folder) {}

  void word(const std::string& word)
  {
    std::error_code ignored;
    if (word == "-" || !fs::is_directory(word, ignored)) return file(word);
    const auto files = files_of(word);
    if (!files) return refuse(files.error().message);
    for (const auto& f : *files) file(f);
  }

  const Intake& intake() const { return intake_; }

 private:
  void refuse(const std::string& why)
  {
    ++intake_.refused;
    write_message(fmt::format("canirun: {}\n", clean(why)));
  }

  void file(const std::string& path)
  {
    const bool is_stdin = path == "-";
    const int fd = is_stdin ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return refuse(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
    records(fd, is_stdin ? "standard input" : path, !is_stdin && !is_stream(path));
    if (!is_stdin) close(fd);
  }

  void records(int fd, const std::string& name, bool document)
  {
    const auto read_some = [&](char* buffer, std::size_t size) -> Result<std::size_t> {
      for (;;) {
        const auto n = ::read(fd, buffer, size);
        if (n >= 0) return static_cast<std::size_t>(n);
        if (errno != EINTR) return fail(ErrorKind::io, fmt::format("cannot read {}: {}", name, std::strerror(errno)));
      }
    };
    ProfileRecords stream(read_some, document);
    for (std::uint64_t n = 0;; ++n) {
      const auto next = stream.next();
      if (!next) return refuse(next.error().message);
      if (!*next) {
        if (n == 0) refuse(fmt::format("{} is empty; `canirun probe -o FILE` writes a profile", name));
        return;
      }
      record(**next, name);
    }
  }

  void record(const ProfileRecord& record, const std::string& name)
  {
    // Positions in messages count from the record's first line, which the name has unless it is the file's.
    const auto source = record.line == 1 ? name : fmt::format("{}, profile in line {}", name, record.line);
    if (record.too_long)
      return refuse(fmt::format("{} is longer than {} MiB, which no profile is", source, ProfileRecords::k_largest >> 20));
    auto profile = parse_profile(record.text, source);
    if (!profile) return refuse(profile.error().message);
    fill_from_table(*profile, table_);
    folder_.add(std::move(*profile));
    ++intake_.read;
  }

  const GpuTable& table_;
  ClassFolder& folder_;
  Intake intake_;
};

}  // namespace

Intake read_profiles(std::span<const std::string> words, const GpuTable& table, ClassFolder& folder)
{
  Reader reader(table, folder);
  for (const auto& w : words) reader.word(w);
  for (const auto& [host, profiles] : folder.repeated()) {
    write_message(fmt::format("canirun: {} profiles are of the host {}; it counts once, as the one with the least memory\n", profiles, host));
  }
  return reader.intake();
}

}  // namespace canirun
