// mrun tag REF NAME: one more name for a version.
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/predict/target.h"
#include "cli/render/json_text.h"
#include "packager/remote_name.h"

namespace mrun::cli {
namespace {

constexpr PositionalSpec k_positionals[] = {{.name = "REF", .help = "a version that is here"},
                                            {.name = "NAME", .help = "the new name: owner/name[:tag]"}};
constexpr ExampleSpec k_examples[] = {
    {"tag demo/minilm demo/minilm:stable", "keep today's version under a name"},
    {"tag 3f8a12bc demo/minilm:old", "by digest"}};
constexpr int k_exit_codes[] = {5, 6, 10};

Result<int> run(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const Reference from, Reference::parse(arguments.positional(0)));
  MRUN_ASSIGN(const Reference to, Reference::parse(arguments.positional(1)));
  if (to.digest || !to.digest_prefix.empty())
    return fail(ErrorCode::usage, fmt::format("`{}` is a digest, not a name", arguments.positional(1)),
                "write the new name as owner/name or owner/name:tag");
  MRUN_TRY(open_store_to_read(context)); // an absent store stays absent
  MRUN_ASSIGN(Store store, open_store_to_write(context));
  MRUN_ASSIGN(const Digest digest, find_version(store, from));
  MRUN_TRY(store.tag(to, digest));
  const std::string name = fmt::format("{}:{}", to.model(), to.tag_or_default());
  if (context.json)
    MRUN_TRY(print_json(context.terminal,
                        {{"schema", "mrun.tag/v1"}, {"reference", name}, {"digest", digest.text()}}));
  else
    context.say(fmt::format("{} is now {}", name, digest.text()));
  return 0;
}

} // namespace

extern const CommandSpec k_command_tag;
constinit const CommandSpec k_command_tag{
    .name = "tag",
    .group = CommandGroup::build,
    .summary = "give a version another name",
    .description = "A tag that exists moves. The old version stays in the store until `mrun gc`, if nothing "
                   "else names it.",
    .positionals = k_positionals,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
