#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/client/interrupt.h"
#include "cli/context.h"
#include "cli/predict/file_saver.h"
#include "cli/predict/target.h"
#include "cli/remote/transfer_line.h"
#include "cli/render/json_text.h"
#include "cli/render/table.h"
#include "common/text.h"
#include "packager/layout/layout_save.h"
#include "packager/remote_name.h"

namespace mrun::cli {
namespace {

Result<std::vector<SavedVersion>> find_versions(const Store& store,
                                                const std::vector<std::string>& references) {
  MRUN_ASSIGN(const std::vector<TagEntry> entries, store.list());
  std::vector<SavedVersion> versions;
  for (const std::string& text : references) {
    MRUN_ASSIGN(const Reference reference, Reference::parse(text));
    MRUN_ASSIGN(const Digest digest, find_version(store, reference));
    const bool by_digest = reference.digest || !reference.digest_prefix.empty();
    const TagEntry* tag = by_digest ? nullptr : find_tag(entries, reference);
    versions.push_back({digest, tag != nullptr ? tag->name() : ""});
  }
  return versions;
}

Json result_json(const std::string& path, const std::vector<SavedVersion>& versions,
                 std::uint64_t file_bytes) {
  Json list = Json::array();
  for (const SavedVersion& version : versions)
    list.push_back({{"digest", version.digest.text()},
                    {"reference", version.name.empty() ? Json(nullptr) : Json(version.name)}});
  return {
      {"schema", "mrun.save/v1"}, {"path", path}, {"size_bytes", file_bytes}, {"versions", std::move(list)}};
}

SaveOptions watch(TransferLine& line, const InterruptGuard& interrupt) {
  return {.on_progress =
              [&line](std::uint64_t done, std::uint64_t total) {
                line.show({.done_bytes = done,
                           .total_bytes = total,
                           .moved_bytes = done,
                           .done_blobs = 0,
                           .total_blobs = 0});
              },
          .is_stopped = [&interrupt] { return interrupt.exit_code() != 0; }};
}

Result<int> save_to_output(Context& context, const Store& store, const std::vector<SavedVersion>& versions) {
  if (context.json)
    return fail(ErrorCode::usage, "`--json` and the file would both go to standard output", "add `-o FILE`");
  if (context.terminal.out_is_terminal())
    return fail(ErrorCode::terminal_refused, "the file would go to the terminal",
                "add `-o FILE`, or redirect");
  MRUN_ASSIGN(const InterruptGuard interrupt, InterruptGuard::install());
  TransferLine line(context, "saving");
  SaveOptions options = watch(line, interrupt);
  bool reader_left = false;
  const auto sink = [&](std::string_view bytes) -> Result<void> {
    MRUN_TRY(context.terminal.out(bytes));
    reader_left = context.terminal.out_closed();
    if (reader_left) return fail(ErrorCode::interrupted_by_user, "the reader went away");
    return {};
  };
  const Result<SaveResult> saved = save_layout(store, versions, sink, options);
  if (!saved && !reader_left) return tl::unexpected<Error>(saved.error());
  return 0;
}

} // namespace

Result<int> run_save(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const Store store, open_store_to_read(context));
  MRUN_ASSIGN(const std::vector<SavedVersion> versions, find_versions(store, arguments.positionals()));
  const std::string path = arguments.value("output").value_or("-");
  if (path == "-") return save_to_output(context, store, versions);
  const bool replace = arguments.has("force");
  MRUN_TRY(check_target(path, replace));
  MRUN_ASSIGN(const InterruptGuard interrupt, InterruptGuard::install());
  TransferLine line(context, "saving");
  const SaveOptions options = watch(line, interrupt);
  MRUN_ASSIGN(AtomicFile file, AtomicFile::create(path));
  std::uint64_t file_bytes = 0;
  const auto sink = [&](std::string_view bytes) {
    file_bytes += bytes.size();
    return file.write(bytes);
  };
  MRUN_ASSIGN(const SaveResult saved, save_layout(store, versions, sink, options));
  MRUN_TRY(file.commit_durably(replace));
  if (context.json) {
    MRUN_TRY(print_json(context.terminal, result_json(path, versions, file_bytes)));
    return 0;
  }
  context.say(fmt::format("saved {} to {}: {}, {}", count_words(versions.size(), "version"), path,
                          count_words(saved.blobs, "blob"), format_bytes(file_bytes)));
  return 0;
}

} // namespace mrun::cli
