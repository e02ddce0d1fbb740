#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/arguments.h"
#include "cli/client/interrupt.h"
#include "cli/consent.h"
#include "cli/context.h"
#include "cli/predict/target.h"
#include "cli/remote/transfer_line.h"
#include "cli/render/json_text.h"
#include "common/text.h"
#include "packager/layout/layout_load.h"

namespace mrun::cli {
namespace {

Result<std::optional<Reference>> wanted_name(const std::string& text) {
  if (text.empty()) return std::optional<Reference>();
  MRUN_ASSIGN(Reference name, Reference::parse(text));
  if (!name.has_name() || !name.host.empty() || name.digest || !name.digest_prefix.empty())
    return fail(ErrorCode::reference_invalid, fmt::format("`{}` names no tag here", printable(text, 100)),
                "write it as owner/name or owner/name:tag");
  return std::optional<Reference>(std::move(name));
}

std::string name_of(const LoadedVersion& version) {
  return version.reference.tag.empty()
             ? fmt::format("{}@{}", version.reference.model(), version.digest.text())
             : fmt::format("{}:{}", version.reference.model(), version.reference.tag);
}

Json result_json(const LoadResult& loaded) {
  Json versions = Json::array();
  for (const LoadedVersion& version : loaded.versions)
    versions.push_back({{"digest", version.digest.text()},
                        {"version", version.digest.hex()},
                        {"reference", name_of(version)},
                        {"size_bytes", version.size_bytes},
                        {"previous", version.previous ? Json(version.previous->text()) : Json(nullptr)}});
  return {{"schema", "mrun.load/v1"},
          {"versions", std::move(versions)},
          {"other_artifacts", loaded.other_artifacts},
          {"new_bytes", loaded.new_bytes}};
}

void say_end(const Context& context, const LoadResult& loaded) {
  for (const LoadedVersion& version : loaded.versions) {
    if (version.previous)
      context.say(fmt::format("{} moved from {} to {}", name_of(version), version.previous->short_hex(),
                              version.digest.short_hex()));
    context.say(fmt::format("{} is {}: {}", name_of(version), version.digest.short_hex(),
                            format_bytes(version.size_bytes)));
    if (version.reference.tag.empty())
      context.say(fmt::format("it has no tag: mrun tag {} {}:TAG gives it one", name_of(version),
                              version.reference.model()));
  }
  if (loaded.other_artifacts > 0)
    context.say(fmt::format("passed over {} that {} no mrun bundle{}", loaded.other_artifacts,
                            loaded.other_artifacts == 1 ? "is" : "are",
                            loaded.other_artifacts == 1 ? "" : "s"));
}

Result<LoadResult> load(Store& store, const std::string& path, LoadRequest& request, TransferLine& line) {
  std::uint64_t total = 0; // unknown of a folder and of a pipe
  request.on_progress = [&](std::uint64_t read) {
    line.show(
        {.done_bytes = read, .total_bytes = total, .moved_bytes = read, .done_blobs = 0, .total_blobs = 0});
  };
  std::error_code ignored;
  if (path != "-" && std::filesystem::is_directory(path, ignored)) return load_folder(store, path, request);
  UniqueFd file;
  if (path != "-") {
    file.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file)
      return fail_errno(errno == ENOENT ? ErrorCode::file_not_found : ErrorCode::io, errno,
                        fmt::format("can't open {}", printable(path)));
    total = file_size(file.get(), path).value_or(0);
  }
  return load_archive(store, archive_source(path == "-" ? STDIN_FILENO : file.get()), request);
}

} // namespace

Result<int> run_load(Context& context, const Arguments& arguments) {
  LoadRequest request;
  MRUN_ASSIGN(request.name, wanted_name(arguments.positional(1)));
  request.force = arguments.has("force");
  const std::string path = arguments.positional(0);
  if (path == "-" && context.terminal.in_is_terminal())
    return fail(ErrorCode::usage, "standard input is the terminal", "write `mrun load - < FILE`");
  MRUN_ASSIGN(const InterruptGuard interrupt, InterruptGuard::install());
  request.is_stopped = [&] { return interrupt.exit_code() != 0; };
  MRUN_ASSIGN(Store store, open_store_to_write(context));
  TransferLine line(context, "loading");
  MRUN_ASSIGN(const LoadResult loaded, load(store, path == "-" ? path : expand_home(path), request, line));
  for (const LoadedVersion& version : loaded.versions)
    MRUN_TRY(note_consent(context, version.digest, arguments.has("trust")));
  if (context.json) {
    MRUN_TRY(print_json(context.terminal, result_json(loaded)));
    return 0;
  }
  for (const LoadedVersion& version : loaded.versions)
    MRUN_TRY(context.terminal.out(version.digest.text() + "\n"));
  say_end(context, loaded);
  return 0;
}

} // namespace mrun::cli
