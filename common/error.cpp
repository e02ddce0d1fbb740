#include "common/error.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "common/code_trace.h"

namespace mrun {
namespace {

constexpr ErrorRow k_rows[] = {
#define MRUN_ERROR(number, name, http, exit, retryable, title, help, explanation)                            \
  {ErrorCode::name, #name, http, exit, retryable, title, help, explanation},
#include "common/error_codes.def"
#undef MRUN_ERROR
};

ErrorCode code_of_errno(ErrorCode code, int error_number) {
  switch (error_number) {
  case ENOSPC:
  case EDQUOT:
    return ErrorCode::disk_full;
  case EROFS:
    return ErrorCode::store_read_only;
  case EMFILE:
  case ENFILE:
  case ENOMEM:
  case EAGAIN:
    return ErrorCode::resources;
  default:
    return code;
  }
}

} // namespace

std::span<const ErrorRow> error_rows() {
  return k_rows;
}

const ErrorRow& error_row(ErrorCode code) {
  for (const ErrorRow& row : k_rows)
    if (row.code == code) return row;
  invariant_broken("an error code has a row", __FILE__,
                   __LINE__); // not MRUN_CHECK: a sanitizer build misses its end
}

const ErrorRow* find_error_row(std::string_view text) {
  std::string_view digits = text;
  if (!digits.empty() && (digits.front() == 'M' || digits.front() == 'm')) digits.remove_prefix(1);
  for (const ErrorRow& row : k_rows)
    if (row.name == text || std::to_string(static_cast<int>(row.code)) == digits) return &row;
  return nullptr;
}

std::string error_code_text(ErrorCode code) {
  return fmt::format("M{}", static_cast<int>(code));
}

tl::unexpected<Error> fail(ErrorCode code, std::string message, std::string hint) {
  trace_code(code);
  return tl::unexpected<Error>(Error{code, std::move(message), std::move(hint), {}});
}

tl::unexpected<Error> fail_errno(ErrorCode code, int error_number, std::string message) {
  return fail(code_of_errno(code, error_number), fmt::format("{}: {}", message, std::strerror(error_number)));
}

void invariant_broken(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "mrun: defect: %s does not hold (%s:%d)\n", condition, file, line);
  std::fflush(stderr);
  std::abort();
}

} // namespace mrun
