#include "cli/predict/output_sink.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>
#include <unistd.h>

#include "cli/render/json_text.h"
#include "common/media_type.h"
#include "common/paths.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr std::string_view k_text_extension = "txt";

bool makes_files(const TypeSpec& type) {
  if (type.type == ValueType::file) return true;
  return std::ranges::any_of(type.items, makes_files);
}

bool is_list_of_files(const Json& value) {
  return value.is_array() && !value.empty() &&
         std::ranges::all_of(value, [](const Json& item) { return file_mark(item).has_value(); });
}

std::string extension_of(const FileMark& file) {
  const std::size_t dot = file.name.rfind('.');
  const bool usable = dot != std::string::npos && dot + 1 < file.name.size() &&
                      file.name.find_first_of("/\\", dot) == std::string::npos;
  return usable ? file.name.substr(dot + 1) : extension_of_media_type(file.media_type);
}

// That what is named can be written there, before anything is computed: the folder is made later.
Result<void> check_folder(const std::filesystem::path& target) {
  std::filesystem::path folder = target.parent_path();
  std::error_code ignored;
  while (!folder.empty() && folder != folder.root_path() && !std::filesystem::exists(folder, ignored))
    folder = folder.parent_path();
  if (folder.empty()) folder = ".";
  if (!std::filesystem::is_directory(folder, ignored))
    return fail(ErrorCode::usage, fmt::format("{} is not a folder", folder.string()));
  if (::access(folder.c_str(), W_OK | X_OK) == 0) return {};
  return fail_errno(ErrorCode::io, errno, fmt::format("can't write to {}", folder.string()));
}

// No file is in it, and nothing that might be one.
bool is_text(const TypeSpec& type) {
  if (type.type == ValueType::file || type.type == ValueType::any) return false;
  const auto is_text_property = [](const PropertySpec& property) { return is_text(property.type); };
  const bool holds_anything = (type.type == ValueType::array && type.items.empty()) ||
                              (type.type == ValueType::object && type.properties.empty());
  return !holds_anything && std::ranges::all_of(type.items, is_text) &&
         std::ranges::all_of(type.properties, is_text_property);
}

bool is_one_value(const TypeSpec& type) {
  if (type.concatenate) return true;
  const bool may_be_list = type.type == ValueType::array || type.type == ValueType::any;
  return !type.iterator && (!may_be_list || is_text(type));
}

// %{index} and %{ext} alone: another mark is a mistake, and would be a part of the name.
Result<void> check_marks(const std::string& target) {
  for (std::size_t at = target.find("%{"); at != std::string::npos; at = target.find("%{", at + 2)) {
    const std::string mark = target.substr(at, target.find('}', at) - at + 1);
    if (mark == k_index_mark || mark == k_extension_mark) continue;
    const std::vector<std::string> marks = {std::string(k_index_mark), std::string(k_extension_mark)};
    const std::string near = nearest(mark, marks);
    return fail(ErrorCode::usage, fmt::format("`-o` has no mark `{}`", printable(mark, 60)),
                near.empty() ? "there are %{index} and %{ext}" : fmt::format("the nearest is {}", near));
  }
  return {};
}

std::size_t count_of(const Json& value) {
  return is_list_of_files(value) ? value.size() : 1;
}

} // namespace

Result<void> check_target_of_many(const OutputOptions& options) {
  const std::string& target = options.target;
  MRUN_TRY(check_marks(target));
  if (target.empty() || target == "-" || target.find(k_index_mark) != std::string::npos) return {};
  return fail(ErrorCode::usage, "several predictions need a name each for their output",
              "write %{index} into it, as `-o 'out/%{index}.%{ext}'`");
}

Result<void> check_known_target(const TypeSpec& output, const OutputOptions& options) {
  if (options.target.empty() || options.target == "-") return {};
  if (options.target.find(k_extension_mark) != std::string::npos && !is_text(output)) return {};
  if (options.number && !is_one_value(output)) return {};
  std::string name = options.target;
  expand_output_pattern(name, std::to_string(options.number.value_or(0)), k_text_extension);
  return check_target(name, options.replace);
}

Result<OutputSink> OutputSink::create(Context& context, const TypeSpec& output, OutputOptions options) {
  OutputSink sink(context, output, std::move(options));
  const std::string& target = sink.m_options.target;
  if (context.json && !target.empty()) return fail(ErrorCode::usage, "`--json` and `-o` exclude each other");
  if (sink.raw() && makes_files(output) && context.terminal.out_is_terminal())
    return fail(ErrorCode::terminal_refused, "the model's output is a file, standard output is a terminal");
  if (!sink.to_file()) return sink;
  MRUN_TRY(check_marks(target));
  MRUN_TRY(check_folder(target.substr(0, target.find("%{"))));
  if (!sink.m_options.number) MRUN_TRY(check_known_target(output, sink.m_options));
  return sink;
}

Result<void> OutputSink::value(const Json& value) {
  if (m_context.json) return {};
  if (m_output.concatenate && value.is_string()) return text_chunk(value.get_ref<const std::string&>());
  if (m_output.iterator && !to_file() && !has_file_mark(value)) return emit(value, {});
  m_values.push_back(value);
  return {};
}

Result<void> OutputSink::text_chunk(const std::string& text) {
  if (to_file()) {
    if (!m_text_file) {
      MRUN_ASSIGN(std::filesystem::path path, next_target(k_text_extension));
      MRUN_ASSIGN(AtomicFile file, AtomicFile::create(std::move(path)));
      m_text_file.emplace(std::move(file));
    }
    return m_text_file->write(text);
  }
  if (!text.empty()) m_line_open = text.back() != '\n';
  m_has_shown = m_has_shown || !text.empty();
  return show(text);
}

Result<void> OutputSink::finish(const FetchOutput& fetch) {
  if (m_text_file) MRUN_TRY(m_text_file->commit(m_options.replace));
  if (m_line_open && !raw()) MRUN_TRY(m_context.terminal.out("\n"));
  m_line_open = false;
  m_count = 0;
  for (const Json& value : m_values)
    m_count += count_of(value);
  for (const Json& value : m_values)
    MRUN_TRY(emit(value, fetch));
  m_values.clear();
  return {};
}

void OutputSink::abandon() {
  if (m_line_open && m_context.terminal.out_is_terminal()) static_cast<void>(m_context.terminal.out("\n"));
  m_line_open = false;
  m_text_file.reset();
  m_values.clear();
  m_target_used = false;
  m_place = 0;
}

// `-o -` asks for the bytes, wherever they go.
Result<void> OutputSink::show(std::string_view text) {
  return raw() ? m_context.terminal.out(text) : m_context.terminal.out_foreign(text);
}

Result<void> OutputSink::emit(const Json& value, const FetchOutput& fetch) {
  if (const auto file = file_mark(value)) return emit_file(*file, fetch);
  if (is_list_of_files(value)) {
    for (const Json& item : value)
      MRUN_TRY(emit_file(*file_mark(item), fetch));
    return {};
  }
  if (value.is_string()) return emit_text(value.get_ref<const std::string&>());
  MRUN_ASSIGN(const Json shown, with_saved_files(value, fetch));
  const bool pretty = m_context.terminal.out_is_terminal() && !to_file();
  return emit_text(pretty ? pretty_json(shown) : canonical_json(shown));
}

Result<void> OutputSink::emit_text(const std::string& text) {
  const std::string line = raw() || text.ends_with('\n') ? text : text + "\n";
  m_has_shown = true;
  if (!to_file()) return show(line);
  MRUN_ASSIGN(std::filesystem::path path, next_target(k_text_extension));
  MRUN_ASSIGN(AtomicFile file, AtomicFile::create(std::move(path)));
  MRUN_TRY(file.write(line));
  return file.commit(m_options.replace);
}

Result<void> OutputSink::emit_file(const FileMark& file, const FetchOutput& fetch) {
  if (raw()) return fetch(file, [&](std::string_view bytes) { return m_context.terminal.out(bytes); });
  MRUN_ASSIGN(const std::filesystem::path path, save(file, fetch));
  return m_context.terminal.out_foreign(path.string() + "\n");
}

Result<Json> OutputSink::with_saved_files(const Json& value, const FetchOutput& fetch) {
  if (!has_file_mark(value)) return value;
  if (const auto file = file_mark(value)) {
    MRUN_ASSIGN(const std::filesystem::path path, save(*file, fetch));
    return Json(path.string());
  }
  Json copy = value;
  for (Json& item : copy) {
    MRUN_ASSIGN(item, with_saved_files(item, fetch));
  }
  return copy;
}

Result<std::filesystem::path> OutputSink::save(const FileMark& file, const FetchOutput& fetch) {
  const std::string name = safe_output_name(file.name, file.media_type, file.index);
  std::filesystem::path path = free_path(".", name);
  if (to_file()) {
    MRUN_ASSIGN(path, next_target(extension_of(file)));
  }
  MRUN_ASSIGN(AtomicFile target, AtomicFile::create(path));
  MRUN_TRY(fetch(file, [&](std::string_view bytes) { return target.write(bytes); }));
  Result<void> kept = target.commit(m_options.replace);
  // A name of our own choice that somebody took in between: the next one.
  while (!kept && kept.error().code == ErrorCode::output_exists && !to_file()) {
    path = free_path(".", name);
    kept = target.commit_as(path);
  }
  MRUN_TRY(kept);
  return path;
}

// A second output for one name gets a name of its own, so that nothing that was computed is lost.
Result<std::filesystem::path> OutputSink::next_target(std::string_view extension) {
  std::string name = m_options.target;
  const std::size_t place = m_place++;
  std::string index = std::to_string(place);
  if (m_options.number)
    index = m_count > 1 ? fmt::format("{}-{}", *m_options.number, place) : std::to_string(*m_options.number);
  const bool numbered = expand_output_pattern(name, index, extension);
  std::filesystem::path path = name;
  std::error_code error;
  const std::filesystem::path folder = folder_of(path);
  std::filesystem::create_directories(folder, error);
  if (error)
    return fail_errno(ErrorCode::io, error.value(), fmt::format("can't make the folder {}", folder.string()));
  if (!std::exchange(m_target_used, true) || numbered) return path;
  return free_path(folder, path.filename().string());
}

} // namespace mrun::cli
