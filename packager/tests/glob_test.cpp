#include <doctest/doctest.h>

#include <string>

#include "packager/glob.h"

using namespace mrun;

TEST_CASE("globs match inside a part, across parts with ** and leave hidden files alone") {
  CHECK(glob_match("a.txt", "a.txt"));
  CHECK_FALSE(glob_match("a.txt", "b/a.txt"));
  CHECK(glob_match("*.txt", "a.txt"));
  CHECK_FALSE(glob_match("*.txt", "b/a.txt"));
  CHECK_FALSE(glob_match("*", ".hidden"));
  CHECK(glob_match(".*", ".hidden"));
  CHECK(glob_match("**", "a/b/c"));
  CHECK_FALSE(glob_match("**", "a/.git/c"));
  CHECK(glob_match("**/*.json", "x.json"));
  CHECK(glob_match("**/*.json", "a/b/x.json"));
  CHECK(glob_match("a/**/z", "a/z"));
  CHECK(glob_match("a/**/z", "a/b/c/z"));
  CHECK(glob_match("a?c", "abc"));
  CHECK_FALSE(glob_match("a?c", "a/c"));
  CHECK(glob_match("[a-c]x", "bx"));
  CHECK_FALSE(glob_match("[!a-c]x", "bx"));
  CHECK(glob_match("[]]x", "]x"));
  CHECK(glob_match("*a*b*c", "xxaxxbxxc"));
  CHECK(glob_may_match_below("a/**", "a/b"));
  CHECK(glob_may_match_below("a/b/c", "a/b"));
  CHECK_FALSE(glob_may_match_below("a/b/c", "a/x"));
}

TEST_CASE("a glob made to backtrack ends") {
  std::string pattern;
  for (int i = 0; i < 60; ++i)
    pattern += "*a";
  CHECK_FALSE(glob_match(pattern + "b", std::string(250, 'a')));
  std::string deep, path;
  for (int i = 0; i < 200; ++i) {
    deep += "**/a/";
    path += "a/";
  }
  CHECK_FALSE(glob_match(deep + "b", path + "c"));
}
