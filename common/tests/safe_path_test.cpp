#include <doctest/doctest.h>

#include "common/safe_path.h"

using namespace mrun;

TEST_CASE("ordinary paths pass unchanged") {
  for (const char* text : {"model.pt2", "a/b/c.json", "weights/ünïcode.bin", ".hidden", "a b", "...x"})
    CHECK(SafePath::parse(text).value().text() == text);
  CHECK(SafePath::parse("a/b.txt").value().file_name() == "b.txt");
}

TEST_CASE("paths that could leave the folder or surprise a tool are refused") {
  const std::string nul("a\0b", 3);
  for (const std::string& text :
       {std::string(), std::string("/etc/passwd"), std::string("../x"), std::string("a/../b"),
        std::string("a//b"), std::string("./a"), std::string("a/"), std::string("C:/x"), std::string("a\\b"),
        nul, std::string("a\nb"), std::string("a."), std::string("a "), std::string("\xff"),
        std::string(256, 'x'), "a/" + std::string(5000, 'x')})
    CHECK(SafePath::parse(text).error().code == ErrorCode::path_refused);
}

TEST_CASE("paths that differ only in case have one key") {
  CHECK(case_fold_key("A/b.TXT") == case_fold_key("a/B.txt"));
}
