// What a text takes of a line, and how it is cut to fit.
#include <doctest/doctest.h>

#include "cli/render/columns.h"

using namespace mrun::cli;

TEST_CASE("columns are counted as a terminal shows them") {
  CHECK(columns_of("") == 0);
  CHECK(columns_of("pulling 1.0 MiB") == 15);
  CHECK(columns_of("é·…") == 3);
  CHECK(columns_of("e\u0301") == 1); // a combining accent
  CHECK(columns_of("模型") == 4);
  CHECK(columns_of("\U0001F600") == 2);
  CHECK(columns_of("\x1b[1;31mred\x1b[0m") == 3);
  CHECK(columns_of("\x1b[") == 2); // no code that colours
}

TEST_CASE("what does not fit is cut between letters, and no colour stays on") {
  CHECK(cut_to_columns("pulling", 7) == "pulling");
  CHECK(cut_to_columns("pulling", 6) == "pulli…");
  CHECK(cut_to_columns("pulling", 1) == "…");
  CHECK(cut_to_columns("é·é·", 3) == "é·…");
  CHECK(cut_to_columns("模型模型", 6) == "模型…"); // a wide letter does not stand half
  CHECK(cut_to_columns("模型模型", 5) == "模型…");
  CHECK(cut_to_columns("\x1b[1mbold\x1b[0m", 4) == "\x1b[1mbold\x1b[0m");
  CHECK(cut_to_columns("\x1b[1mbold\x1b[0m", 3) == "\x1b[1mbo…\x1b[0m");
  for (std::size_t columns = 1; columns < 12; ++columns)
    CHECK(columns_of(cut_to_columns("a模\x1b[1m型e\u0301 😀b\x1b[0m…", columns)) <= columns);
}
