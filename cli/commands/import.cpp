// mrun import PATH: a Hugging Face folder or a GGUF file becomes a version in the store.
#include <algorithm>

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/pack_report.h"
#include "cli/predict/target.h"
#include "cli/render/table.h"
#include "common/fd.h"
#include "common/text.h"
#include "packager/interop/import_model.h"

namespace mrun::cli {
namespace {

constexpr std::size_t k_shown_left_out = 5;

constexpr PositionalSpec k_positionals[] = {
    {.name = "PATH", .help = "a folder with config.json and *.safetensors, or a .gguf file"}};
constexpr FlagSpec k_flags[] = {
    {.name = "as",
     .value_name = "REF",
     .type = FlagType::text,
     .default_text = "by the folder's or file's name, tag latest",
     .help = "what to call it: owner/name[:tag]"},
    {.name = "print", .help = "print the mrun.yaml that would be used, and import nothing"},
    {.name = "manifest",
     .value_name = "FILE",
     .type = FlagType::path,
     .help = "use this mrun.yaml instead of a derived one"},
    {.name = "allow-pickle", .help = "take pickled weights (.bin, .pt, .ckpt) along; mrun never loads them"}};
constexpr ExampleSpec k_examples[] = {
    {"import ~/models/SmolLM2-135M --as me/smollm2", "a Hugging Face folder"},
    {"import ~/.cache/huggingface/hub/models--acme--embed", "out of the Hugging Face cache"},
    {"import llama-q4_k_m.gguf", "a GGUF file"},
    {"import ./model --print", "the derived mrun.yaml: to edit, and to import with"},
    {"import ./model --manifest mrun.yaml", "the edited one"}};
constexpr int k_exit_codes[] = {6, 10};

Result<ImportOptions> read_options(const Context& context, const Arguments& arguments) {
  ImportOptions options;
  if (const auto name = arguments.value("as")) {
    MRUN_ASSIGN(Reference reference, Reference::parse(*name));
    if (!reference.has_name() || reference.digest || !reference.digest_prefix.empty())
      return fail(ErrorCode::usage, fmt::format("`--as {}` names no tag", printable(*name, 100)),
                  "write it as owner/name or owner/name:tag");
    options.tag = std::move(reference);
  }
  if (const auto file = arguments.value("manifest")) {
    MRUN_ASSIGN(options.manifest, read_file(expand_home(*file), k_max_manifest_bytes,
                                            ErrorCode::manifest_missing, ErrorCode::manifest_limit));
  }
  options.allow_pickle = arguments.has("allow-pickle");
  MRUN_ASSIGN(const HomePaths home, context.home());
  options.notes = home.pack_notes();
  return options;
}

void say_left_out(const Context& context, const ImportPlan& plan) {
  if (plan.left_out.empty()) return;
  std::string names;
  for (std::size_t i = 0; i < std::min(plan.left_out.size(), k_shown_left_out); ++i)
    names += (i == 0 ? "" : ", ") + printable(plan.left_out[i], 60);
  if (plan.left_out.size() > k_shown_left_out) names += ", …";
  context.say(fmt::format(
      "left out {}: {}{}", count_words(plan.left_out.size(), "file"), names,
      plan.has_pickles ? " (pickles run code when loaded; --allow-pickle takes them along)" : ""));
}

Result<int> run(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(ImportOptions options, read_options(context, arguments));
  MRUN_ASSIGN(const ImportPlan plan, plan_import(expand_home(arguments.positional(0)), options));
  say_left_out(context, plan);
  if (arguments.has("print")) {
    MRUN_TRY(context.terminal.out_foreign(plan.manifest));
    return 0;
  }
  MRUN_ASSIGN(Store store, open_store_to_write(context));
  PackLine line(context);
  options.on_progress = [&](const PackProgress& progress) { line.show(progress); };
  MRUN_ASSIGN(const PackResult packed, import_model(store, plan, options));
  MRUN_TRY(report_pack(context, store, packed, "imported"));
  if (!options.manifest && plan.facts.license.empty())
    context.warn("nothing says under which license it is: look at its source, and write `license:` (--print, "
                 "--manifest)");
  return 0;
}

} // namespace

extern const CommandSpec k_command_import;
constinit const CommandSpec k_command_import{
    .name = "import",
    .group = CommandGroup::build,
    .summary = "make a version of a Hugging Face folder or a GGUF file",
    .description =
        "Derives an mrun.yaml from the model's own files (config.json, the headers of the weights, the "
        "model\n"
        "card) and packs it with them. Reads headers only and runs no code. Links are followed in the\n"
        "Hugging Face cache, nowhere else.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
