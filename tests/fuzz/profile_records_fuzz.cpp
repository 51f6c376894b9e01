#include "canirun/formats/profile_records.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

namespace {

using canirun::ProfileRecord, canirun::ProfileRecords;

/// All records of `bytes` when they come in pieces of at most `piece`.
std::vector<ProfileRecord> records(std::string_view bytes, std::size_t piece, bool document)
{
  ProfileRecords reader(
      [&](char* buffer, std::size_t size) -> canirun::Result<std::size_t> {
        const auto n = std::min({size, piece, bytes.size()});
        std::memcpy(buffer, bytes.data(), n);
        bytes.remove_prefix(n);
        return n;
      },
      document);
  std::vector<ProfileRecord> out;
  for (;;) {
    auto record = reader.next();
    if (!record) __builtin_trap();  // this reader never fails
    if (!*record) return out;
    out.push_back(std::move(**record));
  }
}

}  // namespace

/// Any bytes are split into records that together are no more than the bytes, in the order of their lines, the same whatever the
/// pieces in which they arrive. The first byte says whether they are one document, and how large the pieces are.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool document = (data[0] & 1U) != 0;
  const auto whole = records(bytes, bytes.size() + 1, document), pieces = records(bytes, 1 + data[0] / 2, document);
  if (whole.size() != pieces.size()) __builtin_trap();
  std::size_t sum = 0;
  std::uint64_t line = 0;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (whole[i].text != pieces[i].text || whole[i].line != pieces[i].line || whole[i].too_long != pieces[i].too_long)
      __builtin_trap();
    if (whole[i].text.size() > ProfileRecords::k_largest || whole[i].line <= line) __builtin_trap();
    sum += whole[i].text.size();
    line = whole[i].line;
  }
  if (sum > bytes.size()) __builtin_trap();
  return 0;
}
