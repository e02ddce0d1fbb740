// What may stand at the cursor.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mrun::cli {

struct Candidate {
  std::string text;          // the whole word
  std::string says = {};     // one line, may be empty
  bool ends_the_word = true; // false: more follows at once, as after `image=@` or a folder
};
using Candidates = std::vector<Candidate>;

// Adds it when it begins with `typed`.
inline void add_if_fits(Candidates& all, std::string_view typed, Candidate candidate) {
  if (std::string_view(candidate.text).starts_with(typed)) all.push_back(std::move(candidate));
}

} // namespace mrun::cli
