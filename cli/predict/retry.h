// --retry: what may be tried again, and after how long.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "common/error.h"

namespace mrun::cli {

class Retry {
 public:
  // At most `tries` more.
  explicit Retry(long long tries) : m_left(tries) {}

  // How long to wait before the next try: what the daemon said (`after`), else half a second, doubled each
  // time up to 30 s. nullopt: `error` is final, since it is not one that passes by itself, or no try is left.
  // The limit that the user gave (client_timeout) is final too.
  std::optional<std::chrono::milliseconds> next(const Error& error,
                                                std::optional<std::chrono::seconds> after = std::nullopt);

 private:
  long long m_left;
  std::chrono::milliseconds m_wait{500};
};

// "again in 2 s: the model's queue is full".
std::string again_words(std::chrono::milliseconds wait, const Error& error);

} // namespace mrun::cli
