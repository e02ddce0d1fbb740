// What `mrun pack` and `mrun import` say: how far they are, and what became of it.
#pragma once

#include <chrono>
#include <string_view>

#include "cli/context.h"
#include "packager/pack.h"

namespace mrun::cli {

// One line that is rewritten, for packs that take a while.
class PackLine {
 public:
  explicit PackLine(const Context& context)
      : m_context(context),
        m_active(context.terminal.err_can_move() && !context.quiet && !context.json) {}
  ~PackLine() { m_context.terminal.clear_status(); }
  PackLine(const PackLine&) = delete;
  PackLine& operator=(const PackLine&) = delete;

  void show(const PackProgress& progress);

 private:
  const Context& m_context;
  bool m_active;
  std::chrono::steady_clock::time_point m_next =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
};

// The digest on standard output, the rest as talk; or JSON. Tells a running daemon. `verb`: packed, imported.
Result<void> report_pack(const Context& context, const Store& store, const PackResult& packed,
                         std::string_view verb);

} // namespace mrun::cli
