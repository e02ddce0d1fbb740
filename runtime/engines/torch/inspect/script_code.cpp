#include "runtime/engines/torch/inspect/script_code.h"

#include <algorithm>

#include <fmt/format.h>
#include <zlib.h>

#include "common/text.h"

namespace mrun::torch_engine {
namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// "a: int, b: Tuple[int, int]=3" → its parts; commas inside of brackets and quotes don't count.
std::vector<std::string_view> split_arguments(std::string_view text) {
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  int depth = 0;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '[' || c == '(' || c == '{') {
      ++depth;
    } else if (c == ']' || c == ')' || c == '}') {
      --depth;
    } else if (c == ',' && depth == 0) {
      parts.push_back(trim(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  if (!trim(text.substr(begin)).empty()) parts.push_back(trim(text.substr(begin)));
  return parts;
}

// The position behind the bracket that closes the one before `at`; npos when none does.
std::size_t behind_bracket(std::string_view code, std::size_t at) {
  int depth = 1;
  for (; at < code.size(); ++at) {
    if (code[at] == '(' || code[at] == '[') ++depth;
    if ((code[at] == ')' || code[at] == ']') && --depth == 0) return at + 1;
  }
  return std::string_view::npos;
}

ScriptArgument argument_of(std::string_view text) {
  ScriptArgument argument;
  const std::size_t colon = text.find(':');
  const std::size_t equals = text.find('=', colon == std::string_view::npos ? 0 : colon);
  argument.name = std::string(trim(text.substr(0, std::min(colon, equals))));
  if (colon != std::string_view::npos)
    argument.type = std::string(trim(text.substr(colon + 1, equals - std::min(colon + 1, equals))));
  argument.has_default = equals != std::string_view::npos;
  argument.optional = equals != std::string_view::npos || argument.type.starts_with("Optional[");
  return argument;
}

// With blanks in place of what stands in quotes.
std::string without_text(std::string_view code) {
  std::string result(code);
  char quote = 0;
  for (std::size_t i = 0; i < result.size(); ++i) {
    const char c = result[i];
    if (quote == 0) {
      if (c == '"' || c == '\'') quote = c;
      continue;
    }
    if (c == '\\' && i + 1 < result.size()) result[i + 1] = ' ';
    if (c == quote) quote = 0;
    result[i] = ' ';
  }
  return result;
}

} // namespace

bool is_bindable(std::string_view type, int depth) {
  constexpr int k_max_depth = 16;
  type = trim(type);
  if (depth > k_max_depth) return false;
  for (const std::string_view plain : {"", "Tensor", "int", "float", "bool", "str", "number"})
    if (type == plain) return true;
  const std::size_t open = type.find('[');
  if (open == std::string_view::npos || !type.ends_with(']')) return false;
  const std::string_view outer = type.substr(0, open);
  std::vector<std::string_view> parts = split_arguments(type.substr(open + 1, type.size() - open - 2));
  if (outer == "Dict") {
    if (parts.size() != 2 || parts[0] != "str") return false;
    parts.erase(parts.begin());
  } else if (outer != "List" && outer != "Optional" && outer != "Tuple") {
    return false;
  }
  return !parts.empty() &&
         std::ranges::all_of(parts, [&](std::string_view part) { return is_bindable(part, depth + 1); });
}

std::string script_class(std::string_view pickle) {
  // The module's own class is the first global: opcode 'c', its module, a newline, its name, a newline.
  const std::size_t at = pickle.find("c__torch__");
  if (at == std::string_view::npos) return {};
  const std::string_view rest = pickle.substr(at + 1, 4096);
  const std::size_t first = rest.find('\n');
  const std::size_t second = first == std::string_view::npos ? first : rest.find('\n', first + 1);
  if (second == std::string_view::npos) return {};
  return fmt::format("{}.{}", rest.substr(0, first), rest.substr(first + 1, second - first - 1));
}

Result<ScriptForward> script_forward(std::string_view code, std::string_view class_name) {
  const auto missing = [&] {
    return fail(ErrorCode::load_failed,
                fmt::format("TorchScript: the class `{}` has no `forward`", printable(class_name, 200)));
  };
  const std::size_t klass = code.find(fmt::format("class {}(", class_name));
  if (klass == std::string_view::npos) return missing();
  std::string_view body = code.substr(klass);
  body = body.substr(0, body.find("\nclass ", 1));
  constexpr std::string_view k_define = "def forward(";
  const std::size_t define = body.find(k_define);
  if (define == std::string_view::npos) return missing();
  const std::size_t begin = define + k_define.size();
  const std::size_t end = behind_bracket(body, begin);
  if (end == std::string_view::npos) return missing();
  ScriptForward forward;
  const std::vector<std::string_view> arguments = split_arguments(body.substr(begin, end - 1 - begin));
  for (std::size_t i = 1; i < arguments.size(); ++i)
    forward.arguments.push_back(argument_of(arguments[i]));
  std::string_view rest = body.substr(end);
  if (rest.starts_with(" -> ")) {
    rest.remove_prefix(4);
    forward.result = std::string(trim(rest.substr(0, rest.find(":\n"))));
  }
  return forward;
}

void count_script_operators(std::string_view text, std::map<std::string, std::size_t>& uses) {
  const std::string blanked = without_text(text);
  const std::string_view code = blanked;
  const auto word_at = [&](std::size_t at) {
    std::size_t end = at;
    while (end < code.size() && is_word(code[end]))
      ++end;
    return code.substr(at, end - at);
  };
  for (const std::string_view prefix : {"torch.", "ops."})
    for (std::size_t at = code.find(prefix); at != std::string_view::npos; at = code.find(prefix, at + 1)) {
      if (at > 0 && (is_word(code[at - 1]) || code[at - 1] == '.')) continue;
      const std::string_view first = word_at(at + prefix.size());
      std::size_t behind = at + prefix.size() + first.size();
      std::string name = fmt::format("aten::{}", first);
      if (prefix == "ops.") {
        if (behind >= code.size() || code[behind] != '.') continue;
        const std::string_view second = word_at(behind + 1);
        name = fmt::format("{}::{}", first, second);
        behind += 1 + second.size();
      }
      if (!first.empty() && behind < code.size() && code[behind] == '(') ++uses[name];
    }
}

Result<std::string> inflate_raw(std::string_view bytes, std::size_t limit) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
    return fail(ErrorCode::out_of_memory, "no memory to inflate");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data())); // zlib does not write. NOLINT
  stream.avail_in = static_cast<uInt>(std::min<std::size_t>(bytes.size(), UINT32_MAX));
  std::string text;
  int status = Z_OK;
  while (status == Z_OK && text.size() <= limit) {
    const std::size_t done = text.size();
    text.resize(done + 64 * 1024);
    stream.next_out = reinterpret_cast<Bytef*>(text.data() + done);
    stream.avail_out = 64 * 1024;
    status = inflate(&stream, Z_NO_FLUSH);
    text.resize(text.size() - stream.avail_out);
    if (text.size() == done && status == Z_OK) break; // it wants more than there is
  }
  inflateEnd(&stream);
  if (status != Z_STREAM_END || text.size() > limit)
    return fail(ErrorCode::load_failed, "the archive is damaged: a compressed member can't be read");
  return text;
}

} // namespace mrun::torch_engine
