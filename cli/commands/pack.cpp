// mrun pack DIR: a model directory becomes a version in the store.
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/check_model.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/pack_report.h"
#include "cli/predict/target.h"
#include "packager/pack.h"

namespace mrun::cli {
namespace {

constexpr PositionalSpec k_positionals[] = {
    {.name = "DIR", .help = "the model directory: it holds mrun.yaml"}};
constexpr FlagSpec k_flags[] = {{.name = "tag",
                                 .short_name = 't',
                                 .value_name = "REF",
                                 .type = FlagType::text,
                                 .default_text = "the manifest's name, tag latest",
                                 .help = "what to call it: owner/name[:tag]"}};
constexpr ExampleSpec k_examples[] = {{"pack ./minilm", "under the name that its mrun.yaml gives"},
                                      {"pack ./minilm -t me/minilm:v2", "under another name and tag"}};
constexpr int k_exit_codes[] = {6, 10};

Result<int> run(Context& context, const Arguments& arguments) {
  PackOptions options;
  if (const auto tag = arguments.value("tag")) {
    MRUN_ASSIGN(Reference reference, Reference::parse(*tag));
    if (reference.digest || !reference.digest_prefix.empty())
      return fail(ErrorCode::usage,
                  fmt::format("`-t {}` holds a digest: that follows from the content", *tag),
                  "write it as owner/name or owner/name:tag");
    options.tag = std::move(reference);
  }
  PackLine line(context);
  options.on_progress = [&](const PackProgress& progress) { line.show(progress); };
  options.check = [&](const Manifest& manifest, const std::filesystem::path& folder) {
    return check_model(context, manifest, folder);
  };
  MRUN_ASSIGN(const HomePaths home, context.home());
  options.notes = home.pack_notes();
  MRUN_ASSIGN(Store store, open_store_to_write(context));
  MRUN_ASSIGN(const PackResult packed, pack_directory(store, expand_home(arguments.positional(0)), options));
  MRUN_TRY(report_pack(context, store, packed, "packed"));
  return 0;
}

} // namespace

extern const CommandSpec k_command_pack;
constinit const CommandSpec k_command_pack{
    .name = "pack",
    .group = CommandGroup::build,
    .summary = "make a version of a model directory",
    .description =
        "Reads DIR/mrun.yaml, checks it, and adds the files that it names to the store. Prints the "
        "version's\n"
        "digest, which is the same on any machine for the same files. No compiler and no model code runs.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
