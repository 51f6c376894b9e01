#include "html_text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace canirun {

std::string json_for_script(const nlohmann::json& value)
{
  auto text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  for (std::size_t at = 0; (at = text.find('<', at)) != std::string::npos; at += 6) text.replace(at, 1, "\\u003c");
  return text;
}

std::string grade_mark(Letter letter) { return fmt::format(R"(<span class="grade {0}">{0}</span>)", name(letter)); }

std::string gib_text(Bytes bytes) { return fmt::format("{:.1f}", to_gib(bytes).value); }

}  // namespace canirun
