// How far a transfer is: bytes, rate and time left, on one line that is rewritten; elsewhere a line every ten
// seconds.
#pragma once

#include <chrono>
#include <string>

#include "cli/context.h"
#include "packager/registry/transfers.h"

namespace mrun::cli {

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
  bool m_terminal;
  bool m_silent;
  Time m_next; // line elsewhere than on a terminal
  Time m_last; // sample of the rate
  std::uint64_t m_last_bytes = 0;
  double m_rate = 0; // bytes a second, smoothed over a few seconds
};

// "12.3 MiB of 87.0 MiB, 45.0 MiB/s, 2 s left"; without a total: "12.3 MiB, 45.0 MiB/s"
std::string transfer_text(const TransferProgress& progress, double bytes_per_second);

} // namespace mrun::cli
