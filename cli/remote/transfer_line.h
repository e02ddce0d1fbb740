// How far a transfer is: bytes, rate and time left, on one line that is rewritten; elsewhere a line every ten
// seconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "cli/context.h"
#include "packager/registry/transfers.h"

namespace mrun::cli {

// Bytes a second, smoothed over a few seconds.
class TransferRate {
 public:
  explicit TransferRate(std::int64_t now_ns) : m_last_ns(now_ns) {}
  // What was moved so far; it never becomes less.
  void take(std::int64_t now_ns, std::uint64_t moved_bytes);
  double bytes_per_second() const { return m_rate; } // 0 in the first half second

 private:
  std::int64_t m_last_ns;
  std::uint64_t m_last_bytes = 0;
  double m_rate = 0;
};

class TransferLine {
 public:
  // `verb`: pulling, pushing, …
  TransferLine(const Context& context, std::string verb);
  ~TransferLine() { m_context.terminal.clear_status(); }
  TransferLine(const TransferLine&) = delete;
  TransferLine& operator=(const TransferLine&) = delete;

  void show(const TransferProgress& progress);

 private:
  using Time = std::chrono::steady_clock::time_point;

  const Context& m_context;
  std::string m_verb;
  bool m_is_live; // one line, rewritten
  bool m_silent;
  Time m_next; // line where none is rewritten
  TransferRate m_rate;
};

// "[#####-----------] " where the end is known and a line of `columns` has room for it and the longest text;
// else "".
std::string transfer_bar(const TransferProgress& progress, int columns);

// "12.3 MiB of 87.0 MiB, 45.0 MiB/s, 2 s left"; without a total: "12.3 MiB, 45.0 MiB/s"; ", trying again"
// behind it while a connection does
std::string transfer_text(const TransferProgress& progress, double bytes_per_second);

} // namespace mrun::cli
