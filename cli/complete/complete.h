// Completion: what may stand at the cursor of a command line, from the flag table, the store and a model's
// schema. It never starts the daemon and is quick: the shell waits for it at each key.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/complete/candidate.h"
#include "cli/context.h"

namespace mrun::cli {

// `words`: those after `mrun` and before the cursor's; `typed`: the cursor's, as far as it is there.
Candidates complete(const Context& context, std::span<const std::string> words, std::string_view typed);

// `mrun __complete SHELL …`, what the scripts of share/mrun/completion call:
//   bash BREAKS LINE   the line up to the cursor, taken apart here; bash replaces what follows the last of
//                      BREAKS (its COMP_WORDBREAKS), so only that is printed, a line each, with the blank
//                      that ends a word
//   zsh WORD… TYPED    `text TAB description TAB 1|0` (does the word end?)
//   fish WORD… TYPED   `text TAB description`
// Errors: usage, those of standard output.
Result<int> run_complete(Context& context, std::span<const std::string_view> arguments);

} // namespace mrun::cli
