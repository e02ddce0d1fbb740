// Errors are values: Result<T> with an Error that carries one row of the code table.
//
// An error is made where it is found (`fail`), gains context on its way up (`Error::with_note`) and is
// rendered once, at the top: by the CLI as `error[M1203]: …` / `note:` / `help:`, by the API as a problem
// object.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

namespace mrun {

enum class ErrorCode : std::uint16_t {
#define MRUN_ERROR(number, name, http, exit, retryable, title, help, explanation) name = number,
#include "common/error_codes.def"
#undef MRUN_ERROR
};

// One row of common/error_codes.def.
struct ErrorRow {
  ErrorCode code;
  std::string_view name;        // snake_case, stable, in JSON as `class`
  int http_status;              // of the API's reply
  int exit_code;                // of the CLI
  bool retryable;               // the same request may succeed later
  std::string_view title;       // one line
  std::string_view help;        // default hint, may be empty
  std::string_view explanation; // for `mrun explain`
};

std::span<const ErrorRow> error_rows();
const ErrorRow& error_row(ErrorCode code);
// Finds a row by "M1203", "1203" or its name; nullptr when there is none.
const ErrorRow* find_error_row(std::string_view text);
// "M1203".
std::string error_code_text(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;            // lower case, what happened to what; no full stop
  std::string hint;               // the next command; empty: the row's own
  std::vector<std::string> notes; // context, innermost first

  Error with_note(std::string note) && {
    notes.push_back(std::move(note));
    return std::move(*this);
  }
  const ErrorRow& row() const { return error_row(code); }
  std::string_view help() const { return hint.empty() ? row().help : std::string_view(hint); }
};

template<class T>
using Result = tl::expected<T, Error>;

// The only way to make an error. In test builds it records the code (tests must reach every row).
[[nodiscard]] tl::unexpected<Error> fail(ErrorCode code, std::string message, std::string hint = {});
// The same for a failed system call: adds errno's text; ENOSPC/EDQUOT become disk_full, EROFS
// store_read_only, EMFILE/ENFILE/EAGAIN/ENOMEM resources, whatever `code` says.
[[nodiscard]] tl::unexpected<Error> fail_errno(ErrorCode code, int error_number, std::string message);

// A broken invariant: prints and stops the process, in release builds too.
[[noreturn]] void invariant_broken(const char* condition, const char* file, int line);

} // namespace mrun

#define MRUN_CONCAT_INNER(a, b) a##b
#define MRUN_CONCAT(a, b) MRUN_CONCAT_INNER(a, b)

// MRUN_TRY(store.sync());            returns the error from this function, if it is one
#define MRUN_TRY(expression)                                                                                 \
  do {                                                                                                       \
    if (auto mrun_try_result = (expression); !mrun_try_result)                                               \
      return tl::unexpected<::mrun::Error>(std::move(mrun_try_result).error());                              \
  } while (false)

// MRUN_ASSIGN(auto digest, Digest::parse(text));
#define MRUN_ASSIGN(declaration, expression)                                                                 \
  MRUN_ASSIGN_INNER(MRUN_CONCAT(mrun_assign_, __LINE__), declaration, expression)
#define MRUN_ASSIGN_INNER(temporary, declaration, expression)                                                \
  auto temporary = (expression);                                                                             \
  if (!temporary) return tl::unexpected<::mrun::Error>(std::move(temporary).error());                        \
  declaration = std::move(*temporary)

#define MRUN_CHECK(condition)                                                                                \
  do {                                                                                                       \
    if (!(condition)) [[unlikely]]                                                                           \
      ::mrun::invariant_broken(#condition, __FILE__, __LINE__);                                              \
  } while (false)
