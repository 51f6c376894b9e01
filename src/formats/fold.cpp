#include "canirun/formats/catalogue.hpp"

namespace canirun {

std::string fold(std::string_view text)
{
  std::string folded;
  folded.reserve(text.size());
  for (const char c : text) {
    if (c >= 'A' && c <= 'Z') {
      folded.push_back(static_cast<char>(c - 'A' + 'a'));
    } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      folded.push_back(c);
    }
  }
  return folded;
}

}  // namespace canirun
