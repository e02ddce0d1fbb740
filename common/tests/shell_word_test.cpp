#include <doctest/doctest.h>

#include "common/shell_word.h"

using namespace mrun;

TEST_CASE("a word of a shell's command is quoted where the shell would make something else of it") {
  CHECK(shell_word("/home/me/.local/share/mrun") == "/home/me/.local/share/mrun");
  CHECK(shell_word("a b") == "'a b'");
  CHECK(shell_word("it's") == "'it'\\''s'");
  CHECK(shell_word("$(rm)") == "'$(rm)'");
  CHECK(shell_word("a;b\n*") == "'a;b\n*'");
  CHECK(shell_word("~") == "'~'");
  CHECK(shell_word("") == "''");
}
