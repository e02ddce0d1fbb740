#include "packager/schema_diff.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/media_type.h"
#include "common/text.h"
#include "packager/value_check.h"

namespace mrun {
namespace {

constexpr std::size_t k_most_shown = 10; // of a list in words

// What a change does to the set of values that a type allows.
struct Effect {
  bool narrows = false; // something that was allowed is not
  bool widens = false;  // something that wasn't is
};
constexpr Effect k_narrows{true, false};
constexpr Effect k_widens{false, true};
constexpr Effect k_differs{true, true};

enum class Side { input, output };

std::string list_words(const std::vector<std::string>& entries) {
  std::string words;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i == k_most_shown) return words + fmt::format(", … ({} in all)", entries.size());
    words += (i == 0 ? "" : ", ") + entries[i];
  }
  return words;
}

std::string value_words(const Json& value) {
  return printable(canonical_json(value), 80);
}

template<class T>
std::string bounds_words(const std::optional<T>& least, const std::optional<T>& most, std::string_view unit) {
  if (least && most && *least == *most) return fmt::format("exactly {}{}", *least, unit);
  if (least && most) return fmt::format("{} to {}{}", *least, *most, unit);
  if (least) return fmt::format("at least {}{}", *least, unit);
  return most ? fmt::format("at most {}{}", *most, unit) : "without bounds";
}

// A lower bound that comes or rises takes values away; an upper bound is the same the other way round.
template<class T>
Effect effect_of_least(const std::optional<T>& before, const std::optional<T>& after) {
  return {after && (!before || *after > *before), before && (!after || *after < *before)};
}
template<class T>
Effect effect_of_most(const std::optional<T>& before, const std::optional<T>& after) {
  return {after && (!before || *after < *before), before && (!after || *after > *before)};
}

Effect both(Effect a, Effect b) {
  return {a.narrows || b.narrows, a.widens || b.widens};
}

// Whether every value of type `narrow` is one of `wide`.
bool holds_type(ValueType wide, ValueType narrow) {
  const auto is_text = [](ValueType type) { return type == ValueType::string || type == ValueType::secret; };
  return wide == narrow || wide == ValueType::any || (is_text(wide) && is_text(narrow)) ||
         (wide == ValueType::number && narrow == ValueType::integer);
}

template<class T>
std::vector<T> without(const std::vector<T>& all, const std::vector<T>& gone) {
  std::vector<T> left;
  std::ranges::copy_if(all, std::back_inserter(left),
                       [&](const T& entry) { return std::ranges::find(gone, entry) == gone.end(); });
  return left;
}

std::vector<std::string> choice_texts(const std::vector<Json>& choices) {
  std::vector<std::string> texts;
  for (const Json& choice : choices)
    texts.push_back(value_words(choice));
  return texts;
}

class SchemaDiff {
 public:
  void compare_inputs(const std::vector<InputSpec>& before, const std::vector<InputSpec>& after) {
    for (const InputSpec& old : before) {
      const std::string place = "inputs." + old.name;
      if (const InputSpec* now = find(after, old.name))
        compare_input(place, old, *now);
      else
        note(place, SchemaAspect::removed, true, "no longer taken");
    }
    for (const InputSpec& now : after) {
      if (find(before, now.name) != nullptr) continue;
      const bool needed = is_needed(now);
      note("inputs." + now.name, SchemaAspect::added, needed,
           fmt::format("new, {}: {}", needed ? "required" : "may be left out", describe_type(now.type)));
    }
  }

  void compare_output(const TypeSpec& before, const TypeSpec& after) {
    if (before.iterator != after.iterator || before.concatenate != after.concatenate)
      note("output", SchemaAspect::streaming, true,
           fmt::format("{}, was {}", streaming_words(after), streaming_words(before)));
    compare_type("output", before, after, Side::output);
  }

  std::vector<SchemaChange> take() { return std::move(m_changes); }

 private:
  static const InputSpec* find(const std::vector<InputSpec>& inputs, std::string_view name) {
    const auto found = std::ranges::find(inputs, name, &InputSpec::name);
    return found == inputs.end() ? nullptr : &*found;
  }
  static bool is_needed(const InputSpec& input) { return !input.default_value && !input.optional; }
  static std::string_view streaming_words(const TypeSpec& output) {
    if (output.concatenate) return "pieces of one text";
    return output.iterator ? "a list, piece by piece" : "one value";
  }

  void note(std::string place, SchemaAspect aspect, bool breaks, std::string words) {
    m_changes.push_back({std::move(place), aspect, breaks, std::move(words)});
  }
  void note(const std::string& place, SchemaAspect aspect, Side side, Effect effect, std::string words) {
    if (!effect.narrows && !effect.widens) return;
    note(place, aspect, side == Side::input ? effect.narrows : effect.widens, std::move(words));
  }

  void compare_input(const std::string& place, const InputSpec& before, const InputSpec& after) {
    if (is_needed(before) != is_needed(after))
      note(place, SchemaAspect::required, is_needed(after),
           is_needed(after) ? "now required" : "may now be left out");
    else if (before.optional && !after.optional) // it has a default
      note(place, SchemaAspect::required, true, "null is no longer taken");
    if (!is_needed(before) && !is_needed(after) && before.default_value != after.default_value)
      note(place, SchemaAspect::default_, false,
           fmt::format("{}, was {}", default_words(after), default_words(before)));
    if (before.deprecated != after.deprecated)
      note(place, SchemaAspect::deprecated, false,
           after.deprecated ? "now deprecated" : "no longer deprecated");
    compare_type(place, before.type, after.type, Side::input);
  }
  static std::string default_words(const InputSpec& input) {
    return input.default_value ? "default " + value_words(*input.default_value) : "no default";
  }

  void compare_type(const std::string& place, const TypeSpec& before, const TypeSpec& after, Side side) {
    const bool shrunk = holds_type(before.type, after.type);
    const bool grown = holds_type(after.type, before.type);
    if (before.type != after.type) // string and secret allow the same values: that breaks nobody
      note(place, SchemaAspect::type, side == Side::input ? !grown : !shrunk,
           fmt::format("{}, was {}", value_type_name(after.type), value_type_name(before.type)));
    const bool any = before.type == ValueType::any || after.type == ValueType::any;
    if (before.type != after.type && (any || (!shrunk && !grown))) return; // constraints of two kinds
    compare_choices(place, before.choices, after.choices, side);
    compare_bounds(place, before, after, side);
    compare_pattern(place, before.pattern, after.pattern, side);
    compare_file(place, before, after, side);
    compare_items(place, before.items, after.items, side);
    if (before.type == ValueType::object)
      compare_properties(place, before.properties, after.properties, side);
  }

  void compare_choices(const std::string& place, const std::vector<Json>& before,
                       const std::vector<Json>& after, Side side) {
    const auto words = [](const std::vector<Json>& choices) { return list_words(choice_texts(choices)); };
    if (before.empty() || after.empty()) {
      if (!after.empty())
        note(place, SchemaAspect::choices, side, k_narrows, "now only one of " + words(after));
      if (!before.empty())
        note(place, SchemaAspect::choices, side, k_widens, "no longer only one of " + words(before));
      return;
    }
    const std::vector<Json> gone = without(before, after);
    const std::vector<Json> added = without(after, before);
    if (!gone.empty()) note(place, SchemaAspect::choices, side, k_narrows, "without " + words(gone));
    if (!added.empty()) note(place, SchemaAspect::choices, side, k_widens, "also " + words(added));
  }

  void compare_bounds(const std::string& place, const TypeSpec& before, const TypeSpec& after, Side side) {
    note(place, SchemaAspect::range, side,
         both(effect_of_least(before.ge, after.ge), effect_of_most(before.le, after.le)),
         fmt::format("{}, was {}", bounds_words(after.ge, after.le, ""),
                     bounds_words(before.ge, before.le, "")));
    const auto least = [](const TypeSpec& type) { return type.length ? type.length : type.min_length; };
    const auto most = [](const TypeSpec& type) { return type.length ? type.length : type.max_length; };
    const std::string_view unit = before.type == ValueType::array ? " items" : " characters";
    note(place, SchemaAspect::length, side,
         both(effect_of_least(least(before), least(after)), effect_of_most(most(before), most(after))),
         fmt::format("{}, was {}", bounds_words(least(after), most(after), unit),
                     bounds_words(least(before), most(before), unit)));
  }

  // What two patterns have in common is not known: each may allow what the other refuses.
  void compare_pattern(const std::string& place, const std::string& before, const std::string& after,
                       Side side) {
    if (before == after) return;
    const std::string now = printable(after, 80);
    const std::string old = printable(before, 80);
    if (before.empty())
      note(place, SchemaAspect::pattern, side, k_narrows, fmt::format("must now match {}", now));
    else if (after.empty())
      note(place, SchemaAspect::pattern, side, k_widens, fmt::format("need no longer match {}", old));
    else
      note(place, SchemaAspect::pattern, side, k_differs, fmt::format("must match {}, was {}", now, old));
  }

  void compare_file(const std::string& place, const TypeSpec& before, const TypeSpec& after, Side side) {
    const auto holds = [](const std::vector<std::string>& wide, const std::vector<std::string>& narrow) {
      if (wide.empty() || narrow.empty()) return wide.empty();
      return std::ranges::all_of(narrow,
                                 [&](const std::string& type) { return accepts_media_type(wide, type); });
    };
    const auto words = [](const std::vector<std::string>& types) {
      return types.empty() ? "any media type" : printable(list_words(types), 200);
    };
    note(place, SchemaAspect::accept, side,
         {!holds(after.accept, before.accept), !holds(before.accept, after.accept)},
         fmt::format("{}, was {}", words(after.accept), words(before.accept)));
    const auto size_words = [](const std::optional<std::uint64_t>& most) {
      return most ? "at most " + format_bytes(*most) : "of any size";
    };
    note(place, SchemaAspect::max_bytes, side, effect_of_most(before.max_bytes, after.max_bytes),
         fmt::format("{}, was {}", size_words(after.max_bytes), size_words(before.max_bytes)));
  }

  // A list without `items` holds anything.
  void compare_items(const std::string& place, const std::vector<TypeSpec>& before,
                     const std::vector<TypeSpec>& after, Side side) {
    if (before.empty() && after.empty()) return;
    const TypeSpec anything;
    compare_type(place + ".items", before.empty() ? anything : before[0], after.empty() ? anything : after[0],
                 side);
  }

  // An object without `properties` holds anything; one with them holds exactly these.
  void compare_properties(const std::string& place, const std::vector<PropertySpec>& before,
                          const std::vector<PropertySpec>& after, Side side) {
    if (before.empty() != after.empty()) {
      note(place, SchemaAspect::type, side, before.empty() ? k_narrows : k_widens,
           before.empty() ? "now an object with fixed keys" : "now an object with any keys");
      return;
    }
    const auto find_property = [](const std::vector<PropertySpec>& all, const std::string& name) {
      const auto found = std::ranges::find(all, name, &PropertySpec::name);
      return found == all.end() ? nullptr : &*found;
    };
    for (const PropertySpec& old : before) {
      const std::string inner = place + ".properties." + old.name;
      if (const PropertySpec* now = find_property(after, old.name))
        compare_type(inner, old.type, now->type, side);
      else
        note(inner, SchemaAspect::removed, true, side == Side::input ? "no longer taken" : "no longer given");
    }
    for (const PropertySpec& now : after)
      if (find_property(before, now.name) == nullptr)
        note(place + ".properties." + now.name, SchemaAspect::added, side == Side::input,
             fmt::format("new{}: {}", side == Side::input ? ", required" : "", describe_type(now.type)));
  }

  std::vector<SchemaChange> m_changes;
};

} // namespace

std::string_view schema_aspect_name(SchemaAspect aspect) {
  switch (aspect) {
  case SchemaAspect::added:
    return "added";
  case SchemaAspect::removed:
    return "removed";
  case SchemaAspect::required:
    return "required";
  case SchemaAspect::default_:
    return "default";
  case SchemaAspect::deprecated:
    return "deprecated";
  case SchemaAspect::type:
    return "type";
  case SchemaAspect::range:
    return "range";
  case SchemaAspect::length:
    return "length";
  case SchemaAspect::pattern:
    return "pattern";
  case SchemaAspect::choices:
    return "choices";
  case SchemaAspect::accept:
    return "accept";
  case SchemaAspect::max_bytes:
    return "max_bytes";
  case SchemaAspect::streaming:
    return "streaming";
  }
  invariant_broken("every aspect has a name", __FILE__, __LINE__);
}

std::vector<SchemaChange> diff_schemas(const Manifest& before, const Manifest& after) {
  SchemaDiff diff;
  diff.compare_inputs(before.inputs, after.inputs);
  diff.compare_output(before.output, after.output);
  return diff.take();
}

} // namespace mrun
