// What `mrun pack` checks of a step (packager/manifest_steps.cpp) is what the step itself reads.
#include <doctest/doctest.h>

#include <set>

#include <fmt/format.h>

#include "common/text.h"
#include "packager/manifest.h"
#include "runtime/steps/step.h"
#include "runtime/steps/tests/folder_files.h"

using namespace mrun;

namespace {

// The names of "its options are `a`, `b`", without those that every step has.
std::set<std::string> listed(std::string hint) {
  constexpr std::string_view before = "its options are ";
  std::set<std::string> names;
  if (!hint.starts_with(before)) return names;
  std::erase(hint, '`');
  for (const std::string_view name : split(std::string_view(hint).substr(before.size()), ','))
    names.emplace(trim(name));
  names.erase("from");
  names.erase("to");
  return names;
}

} // namespace

TEST_CASE("the packager and the runtime know the same options of every step") {
  std::size_t options = 0;
  for (const StepRow& row : step_rows()) {
    CAPTURE(std::string(row.name));
    test::TestFiles files;
    const Json steps = {{{"step", row.name}, {"from", "x"}, {"zzzzzzzzzzzzzzzzzzzz", 1}}};
    const auto made = Pipeline::make(steps, files, "x");
    const auto packed = parse_manifest(
        fmt::format("mrun: 1\nname: a/b\nlicense: MIT\nengine: echo\ninputs:\n  x: {{type: string}}\n"
                    "output: {{type: any}}\npre:\n  - {{step: {}, from: x, zzzzzzzzzzzzzzzzzzzz: 1}}\n",
                    row.name),
        "mrun.yaml");
    REQUIRE_FALSE(made);
    REQUIRE_FALSE(packed);
    CHECK(made.error().code == ErrorCode::manifest_step);
    CHECK(packed.error().code == ErrorCode::manifest_step);
    CHECK(listed(made.error().hint) == listed(packed.error().hint));
    options += listed(packed.error().hint).size();
  }
  CHECK(options > 20); // the hints were read
}
