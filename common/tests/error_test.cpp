#include <doctest/doctest.h>

#include <cerrno>
#include <set>

#include "common/error.h"

using namespace mrun;

TEST_CASE("every row has a distinct number and name, a title, and an exit code of the documented table") {
  std::set<int> numbers;
  std::set<std::string_view> names;
  const std::set<int> exits = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 75, 124, 130};
  for (const ErrorRow& row : error_rows()) {
    CHECK(numbers.insert(static_cast<int>(row.code)).second);
    CHECK(names.insert(row.name).second);
    CHECK_FALSE(row.title.empty());
    CHECK_FALSE(row.explanation.empty());
    CHECK(row.title.back() != '.');
    CHECK(exits.contains(row.exit_code));
    CHECK(row.http_status >= 400);
    CHECK(row.http_status < 600);
  }
}

TEST_CASE("a row is found by code, number and name") {
  CHECK(find_error_row("M1203") == &error_row(ErrorCode::memory_insufficient));
  CHECK(find_error_row("1203") == &error_row(ErrorCode::memory_insufficient));
  CHECK(find_error_row("memory_insufficient") == &error_row(ErrorCode::memory_insufficient));
  CHECK(find_error_row("M9999") == nullptr);
  CHECK(error_code_text(ErrorCode::memory_insufficient) == "M1203");
}

TEST_CASE("a failed system call keeps its reason and gets the code of the reason") {
  CHECK(fail_errno(ErrorCode::io, ENOSPC, "can't write x").value().code == ErrorCode::disk_full);
  CHECK(fail_errno(ErrorCode::io, EROFS, "can't write x").value().code == ErrorCode::store_read_only);
  CHECK(fail_errno(ErrorCode::io, EMFILE, "can't open x").value().code == ErrorCode::resources);
  const Error error = fail_errno(ErrorCode::io, EACCES, "can't open x").value();
  CHECK(error.code == ErrorCode::io);
  CHECK(error.message == "can't open x: Permission denied");
}

TEST_CASE("the try macros pass values on and return errors") {
  const auto half = [](int n) -> Result<int> {
    if (n % 2 != 0) return fail(ErrorCode::usage, "odd");
    return n / 2;
  };
  const auto quarter = [&](int n) -> Result<int> {
    MRUN_ASSIGN(const int once, half(n));
    return half(once);
  };
  CHECK(quarter(8).value() == 2);
  CHECK(quarter(6).error().message == "odd");
}
