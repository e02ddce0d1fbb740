#include "packager/yaml_tree.h"

#include <charconv>
#include <cmath>
#include <istream>
#include <optional>
#include <streambuf>
#include <unordered_set>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "common/limits.h"
#include "common/text.h"
#include "packager/yaml_syntax.h"

namespace mrun {
namespace {

// Leaves yaml-cpp's parser from within an event; never leaves this file.
struct Refusal {
  Error error;
};

class TreeBuilder : public YAML::EventHandler {
 public:
  // `text`: what is parsed, without a byte order mark.
  TreeBuilder(std::string_view text, std::string_view file_name, YamlErrors errors)
      : m_text(text),
        m_file_name(file_name),
        m_errors(errors) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    YamlNode node;
    node.place = place_of(mark);
    add(std::move(node));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(place_of(mark), m_errors.syntax, "aliases (`*name`) are not allowed", "write the value out");
  }

  void OnAnchor(const YAML::Mark& mark, const std::string&) override { refuse_anchor(mark, 1); }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    YamlNode node;
    node.kind = YamlNode::Kind::scalar;
    node.place = place_of(mark);
    node.text = value;
    node.quoted = tag == "!";
    if (node.quoted)
      if (const std::size_t quote = find_open_quote(m_text, static_cast<std::size_t>(mark.pos));
          quote != std::string_view::npos)
        refuse(place_of_byte(m_text, quote), m_errors.syntax, k_open_quote);
    if (value.find('\0') != std::string::npos || !is_valid_utf8(value))
      refuse(node.place, m_errors.syntax, "a text has a NUL or is not UTF-8");
    add(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    begin(mark, tag, anchor, YamlNode::Kind::sequence);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    begin(mark, tag, anchor, YamlNode::Kind::map);
  }
  void OnSequenceEnd() override { end(); }
  void OnMapEnd() override { end(); }

  std::optional<YamlNode> take() { return std::move(m_root); }

  // Where the innermost list or mapping begins that has not ended.
  std::optional<YamlPlace> open_place() const {
    return m_frames.empty() ? std::nullopt : std::optional(m_frames.back().node.place);
  }

 private:
  struct Frame {
    YamlNode node;
    bool key_pending = false; // map: a key was read, its value comes next
    bool is_key = false;      // refused at its end: yaml-cpp takes a `{` that is never closed for a key, too
    std::unordered_set<std::string> seen;
  };

  [[noreturn]] void refuse(YamlPlace place, ErrorCode code, std::string_view message, std::string hint = {}) {
    throw Refusal{fail_at(m_file_name, place, code, message, std::move(hint)).value()};
  }

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0)
      refuse(place_of(mark), m_errors.syntax, "anchors (`&name`) are not allowed", "write the value out");
  }

  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!")
      refuse(place_of(mark), m_errors.syntax, fmt::format("tags (`{}`) are not allowed", printable(tag, 60)));
  }

  void count(YamlPlace place) {
    if (++m_nodes > k_max_manifest_nodes)
      refuse(place, m_errors.limit, fmt::format("there are more than {} values", k_max_manifest_nodes));
  }

  bool takes_key() const {
    return !m_frames.empty() && m_frames.back().node.kind == YamlNode::Kind::map &&
           !m_frames.back().key_pending;
  }

  void begin(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Kind kind) {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    const YamlPlace place = place_of(mark);
    count(place);
    if (m_frames.size() >= k_max_manifest_depth)
      refuse(place, m_errors.limit,
             fmt::format("it is nested more than {} levels deep", k_max_manifest_depth));
    Frame frame;
    frame.node.kind = kind;
    frame.node.place = place;
    frame.is_key = takes_key();
    m_frames.push_back(std::move(frame));
  }

  void end() {
    if (m_frames.back().is_key)
      refuse(m_frames.back().node.place, m_errors.syntax, "a key is not a plain text");
    YamlNode node = std::move(m_frames.back().node);
    m_frames.pop_back();
    attach(std::move(node));
  }

  void add(YamlNode node) {
    count(node.place);
    if (takes_key())
      add_key(std::move(node));
    else
      attach(std::move(node));
  }

  void add_key(YamlNode node) {
    Frame& frame = m_frames.back();
    if (node.kind != YamlNode::Kind::scalar || node.text.empty())
      refuse(node.place, m_errors.syntax, "a key is empty");
    if (node.text == "<<" && !node.quoted)
      refuse(node.place, m_errors.syntax, "merge keys (`<<`) are not allowed", "write the values out");
    if (!frame.seen.insert(node.text).second)
      refuse(node.place, m_errors.syntax, fmt::format("key `{}` is there twice", printable(node.text, 60)));
    frame.node.keys.push_back({std::move(node.text), node.place});
    frame.key_pending = true;
  }

  void attach(YamlNode node) {
    if (m_frames.empty()) {
      m_root = std::move(node);
      return;
    }
    m_frames.back().node.items.push_back(std::move(node));
    m_frames.back().key_pending = false;
  }

  std::string_view m_text;
  std::string_view m_file_name;
  YamlErrors m_errors;
  std::vector<Frame> m_frames;
  std::optional<YamlNode> m_root;
  std::size_t m_nodes = 0;
};

// An istream over the text, without a copy.
class ViewBuffer : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data()); // only ever read
    setg(begin, begin, begin + text.size());
  }
};

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  for (const std::string_view word : words)
    if (text == word) return true;
  return false;
}

// [-+]? [0-9]+ , or with a point and an exponent; anything else is a string.
enum class NumberForm { none, integer, real };
NumberForm number_form(std::string_view text) {
  std::size_t i = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  const auto digits = [&] {
    const std::size_t begin = i;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9')
      ++i;
    return i - begin;
  };
  const std::size_t whole = digits();
  if (i == text.size()) return whole > 0 ? NumberForm::integer : NumberForm::none;
  std::size_t fraction = 0;
  if (text[i] == '.') {
    ++i;
    fraction = digits();
  }
  if (whole + fraction == 0) return NumberForm::none;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    if (digits() == 0) return NumberForm::none;
  }
  return i == text.size() ? NumberForm::real : NumberForm::none;
}

std::optional<Json> number_of(std::string_view text, NumberForm form) {
  if (text.front() == '+') text.remove_prefix(1);
  const char* end = text.data() + text.size();
  if (form == NumberForm::integer) {
    std::int64_t value = 0;
    if (std::from_chars(text.data(), end, value).ec == std::errc()) return Json(value);
    std::uint64_t large = 0;
    if (text.front() != '-' && std::from_chars(text.data(), end, large).ec == std::errc()) return Json(large);
    return std::nullopt;
  }
  double value = 0;
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || at != end || !std::isfinite(value)) return std::nullopt;
  return Json(value);
}

Result<Json> scalar_to_json(const YamlNode& node, std::string_view file_name, ErrorCode bad_number) {
  if (node.quoted) return Json(node.text);
  if (is_one_of(node.text, {"", "~", "null", "Null", "NULL"})) return Json(nullptr);
  if (is_one_of(node.text, {"true", "True", "TRUE"})) return Json(true);
  if (is_one_of(node.text, {"false", "False", "FALSE"})) return Json(false);
  if (is_one_of(node.text,
                {".inf", "-.inf", "+.inf", ".Inf", "-.Inf", ".INF", "-.INF", ".nan", ".NaN", ".NAN"}))
    return fail_at(file_name, node.place, bad_number,
                   fmt::format("`{}` is no number that JSON has", node.text),
                   "write it in quotes if it is a text");
  const NumberForm form = number_form(node.text);
  if (form == NumberForm::none) return Json(node.text);
  if (std::optional<Json> number = number_of(node.text, form)) return std::move(*number);
  return fail_at(file_name, node.place, bad_number,
                 fmt::format("number `{}` is too large", printable(node.text, 40)),
                 "write it in quotes if it is a text");
}

Result<YamlNode> parse_text(std::string_view text, std::string_view file_name, YamlErrors errors) {
  ViewBuffer buffer(text);
  std::istream stream(&buffer);
  TreeBuilder builder(text, file_name, errors);
  try {
    YAML::Parser parser(stream);
    parser.HandleNextDocument(builder);
    YamlNode root = builder.take().value_or(YamlNode{});
    TreeBuilder second(text, file_name, errors);
    if (parser.HandleNextDocument(second))
      return fail_at(file_name, root.place, errors.syntax, "there is more than one document (`---`)",
                     "keep one");
    return root;
  } catch (Refusal& refusal) {
    return tl::unexpected<Error>(std::move(refusal.error));
  } catch (const YAML::Exception& exception) {
    return yaml_syntax_error(exception, text, builder.open_place(), file_name, errors.syntax);
  }
}

} // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (keys[i].text == key) return &items[i];
  return nullptr;
}

tl::unexpected<Error> fail_at(std::string_view file_name, YamlPlace place, ErrorCode code,
                              std::string_view message, std::string hint) {
  return fail(code, fmt::format("{}:{}:{}: {}", file_name, place.line, place.column, message),
              std::move(hint));
}

Result<YamlNode> parse_yaml(std::string_view text, std::string_view file_name, YamlErrors errors) {
  MRUN_TRY(check_yaml_characters(text, file_name, errors));
  if (text.starts_with(k_byte_order_mark)) text.remove_prefix(k_byte_order_mark.size());
  Result<YamlNode> root = parse_text(text, file_name, errors);
  if (root || root.error().code != errors.syntax || text.ends_with('\n')) return root;
  // yaml-cpp says where an open quote begins only when a newline ends the text
  Result<YamlNode> again = parse_text(std::string(text) + '\n', file_name, errors);
  if (!again) return again;
  return root;
}

Result<Json> yaml_to_json(const YamlNode& node, std::string_view file_name, ErrorCode bad_number) {
  switch (node.kind) {
  case YamlNode::Kind::null:
    return Json(nullptr);
  case YamlNode::Kind::scalar:
    return scalar_to_json(node, file_name, bad_number);
  case YamlNode::Kind::sequence: {
    Json array = Json::array();
    for (const YamlNode& item : node.items) {
      MRUN_ASSIGN(Json value, yaml_to_json(item, file_name, bad_number));
      array.push_back(std::move(value));
    }
    return array;
  }
  case YamlNode::Kind::map: {
    Json object = Json::object();
    for (std::size_t i = 0; i < node.keys.size(); ++i) {
      MRUN_ASSIGN(Json value, yaml_to_json(node.items[i], file_name, bad_number));
      object[node.keys[i].text] = std::move(value);
    }
    return object;
  }
  }
  invariant_broken("every kind is handled", __FILE__, __LINE__);
}

} // namespace mrun
