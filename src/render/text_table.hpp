#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "style.hpp"

namespace canirun {

/// A cell: its text, and how it is painted once it has been padded.
struct Cell {
  std::string text;
  std::optional<Letter> letter = {};  ///< Painted as a grade.
  bool bold = false;
};

struct Column {
  std::string title;
  bool right = false;
  bool stretch = false;         ///< Is cut first when the table is too wide.
  std::uint32_t min_width = 0;  ///< Shown only from so many columns of terminal on, and then only where it fits; 0 = always.
};

/// Columns two spaces apart, headers dim, no trailing spaces; each line within `width`.
class TextTable {
 public:
  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
  std::string text(const Style& style, std::uint32_t width) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace canirun
