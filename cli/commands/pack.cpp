// mrun pack DIR: a model directory becomes a version in the store.
#include <filesystem>

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/client/daemon_client.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/predict/target.h"
#include "cli/render/json_text.h"
#include "cli/render/table.h"
#include "common/text.h"
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
constexpr int k_exit_codes[] = {0, 1, 2, 10, 75, 130};

// One line that is rewritten, for packs that take a while.
class PackLine {
 public:
  explicit PackLine(const Context& context)
      : m_context(context),
        m_active(context.terminal.err_is_terminal() && !context.quiet && !context.json) {}
  ~PackLine() { m_context.terminal.clear_status(); }
  PackLine(const PackLine&) = delete;
  PackLine& operator=(const PackLine&) = delete;

  void show(const PackProgress& progress) {
    const auto now = std::chrono::steady_clock::now();
    if (!m_active || now < m_next) return;
    m_next = now + std::chrono::milliseconds(100);
    m_context.terminal.status(fmt::format("packing {} of {}: {}", format_bytes(progress.done_bytes),
                                          format_bytes(progress.total_bytes), printable(progress.path, 60)));
  }

 private:
  const Context& m_context;
  bool m_active;
  std::chrono::steady_clock::time_point m_next =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
};

// A running daemon may get ready for the first prediction; that it can't is no failure of the pack.
void tell_daemon(const Context& context) {
  auto client = DaemonClient::connect(context, Start::never);
  if (client)
    static_cast<void>(client->post("/mrun/v1/prepare", Json::object(),
                                   std::chrono::steady_clock::now() + std::chrono::milliseconds(200)));
}

// A bundle may be made for another machine; that it can't run on this one is worth a word.
Result<void> warn_of_engine(const Context& context, const Store& store, const Digest& digest) {
  MRUN_ASSIGN(const InstallPaths install, context.install());
  MRUN_ASSIGN(const Bundle bundle, store.load(digest));
  const std::string& engine = bundle.manifest.engine;
  std::error_code ignored;
  if (engine != "native" && !std::filesystem::exists(install.engine(engine), ignored))
    context.warn(fmt::format(
        "this mrun has no engine `{}`: the bundle can't run here (`mrun version` lists them)", engine));
  return {};
}

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
  MRUN_ASSIGN(const HomePaths home, context.home());
  options.notes = home.pack_notes();
  MRUN_ASSIGN(Store store, open_store_to_write(context));
  MRUN_ASSIGN(const PackResult packed, pack_directory(store, expand_home(arguments.positional(0)), options));
  tell_daemon(context);
  if (context.json) {
    MRUN_TRY(print_json(context.terminal, {{"schema", "mrun.pack/v1"},
                                           {"digest", packed.digest.text()},
                                           {"version", packed.digest.hex()},
                                           {"reference", packed.reference.text()},
                                           {"size_bytes", packed.size_bytes},
                                           {"new_bytes", packed.new_bytes},
                                           {"files", packed.file_count}}));
    return 0;
  }
  MRUN_TRY(context.terminal.out(packed.digest.text() + "\n"));
  context.say(fmt::format("packed {}: {}, {}, {} new in the store", packed.reference.text(),
                          count_words(packed.file_count, "file"), format_bytes(packed.size_bytes),
                          format_bytes(packed.new_bytes)));
  MRUN_TRY(warn_of_engine(context, store, packed.digest));
  if (context.terminal.err_is_terminal())
    context.say(fmt::format("next: mrun show {}", packed.reference.text()));
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
