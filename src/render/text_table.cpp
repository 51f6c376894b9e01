#include "text_table.hpp"

#include <algorithm>
#include <iterator>

#include "text.hpp"

namespace canirun {

namespace {

constexpr std::size_t k_gap = 2;
constexpr std::size_t k_enough = 24;  // of a column that stretches: a place to run, a name but for its end

std::string painted(const Cell& cell, const std::string& padded, const Style& style)
{
  if (cell.letter) return style.grade(padded, *cell.letter);
  return cell.bold ? style.bold(padded) : padded;
}

}  // namespace

std::string TextTable::text(const Style& style, std::uint32_t width) const
{
  std::vector<std::size_t> shown, widths(columns_.size());
  std::size_t total = 0, wanted = 0;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    if (columns_[c].min_width > width) continue;
    widths[c] = display_width(columns_[c].title);
    for (const auto& row : rows_) widths[c] = std::max(widths[c], display_width(row[c].text));
    const auto gap = shown.empty() ? 0 : k_gap;
    shown.push_back(c);
    total += gap + widths[c];
    wanted += gap + (columns_[c].stretch ? std::min(widths[c], k_enough) : widths[c]);
  }
  // A column that only wide terminals get goes before another one is cut to what nobody can read.
  while (wanted > width) {
    const auto least =
        std::ranges::max_element(shown.rbegin(), shown.rend(), {}, [&](std::size_t c) { return columns_[c].min_width; });
    if (least == shown.rend() || columns_[*least].min_width == 0) break;
    total -= k_gap + widths[*least];
    wanted -= k_gap + widths[*least];
    shown.erase(std::next(least).base());
  }
  for (const auto c : shown) {
    if (total <= width || !columns_[c].stretch) continue;
    const auto less = std::min(total - width, widths[c] - std::min<std::size_t>(widths[c], 8));
    widths[c] -= less;
    total -= less;
  }

  std::string out;
  const auto line = [&](auto&& cell_text) {
    std::string text, gap;
    for (const auto c : shown) {
      std::string bare, shown_text;
      cell_text(c, bare, shown_text);
      const bool blank = bare.find_first_not_of(' ') == std::string::npos;
      if (blank) {
        gap += bare;
      } else {
        text += gap + shown_text;
        gap.clear();
      }
      gap.append(k_gap, ' ');
    }
    // Padding of the last cell is not printed.
    while (!text.empty() && text.back() == ' ') text.pop_back();
    out += text + "\n";
  };
  const auto fit = [&](std::size_t c, const std::string& text) {
    auto t = cut(text, widths[c], style.ellipsis());
    if (columns_[c].right) return pad_left(t, widths[c]);
    return c == shown.back() ? t : pad_right(std::move(t), widths[c]);
  };
  line([&](std::size_t c, std::string& bare, std::string& text) { bare = fit(c, columns_[c].title), text = style.dim(bare); });
  for (const auto& row : rows_) {
    line([&](std::size_t c, std::string& bare, std::string& text) {
      bare = fit(c, row[c].text), text = painted(row[c], bare, style);
    });
  }
  return out;
}

}  // namespace canirun
