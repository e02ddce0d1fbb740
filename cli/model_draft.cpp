#include "cli/model_draft.h"

#include <algorithm>
#include <array>
#include <set>

#include <fcntl.h>
#include <fmt/format.h>

#include "cli/template_copy.h"
#include "common/fd.h"
#include "common/limits.h"
#include "common/text.h"
#include "packager/manifest.h"

namespace mrun::cli {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t k_max_inline_elements = 256;      // of an input that is written into mrun.yaml
constexpr std::uint64_t k_max_file_elements = 64 * k_mib; // of an example's .npy
constexpr std::uint64_t k_max_json_elements = 64 * k_kib; // of an output that is printed
constexpr std::size_t k_max_json_rank = 8;

// What an example's elements are: no zeros, since a mask of zeros or a division by them gives NaN.
struct ExampleType {
  std::string_view dtype;
  std::string_view json_type;
  std::string_view value; // in JSON
  std::string_view npy;   // numpy's descr; "" when .npy lacks it
  std::string_view bytes; // one element, little-endian
};
using namespace std::string_view_literals;
constexpr std::array<ExampleType, 15> k_types = {{
    {"f32", "number", "0.5", "<f4", "\0\0\0\x3f"sv},
    {"f64", "number", "0.5", "<f8", "\0\0\0\0\0\0\xe0\x3f"sv},
    {"f16", "number", "0.5", "<f2", "\0\x38"sv},
    {"bf16", "number", "0.5", "", ""},
    {"i8", "integer", "1", "|i1", "\x01"sv},
    {"i16", "integer", "1", "<i2", "\x01\0"sv},
    {"i32", "integer", "1", "<i4", "\x01\0\0\0"sv},
    {"i64", "integer", "1", "<i8", "\x01\0\0\0\0\0\0\0"sv},
    {"u8", "integer", "1", "|u1", "\x01"sv},
    {"bool", "boolean", "true", "|b1", "\x01"sv},
    {"u16", "integer", "1", "<u2", "\x01\0"sv},
    {"u32", "integer", "1", "<u4", "\x01\0\0\0"sv},
    {"u64", "integer", "1", "<u8", "\x01\0\0\0\0\0\0\0"sv},
    {"c64", "number", "0.5", "<c8", "\0\0\0\x3f\0\0\0\0"sv},
    {"c128", "number", "0.5", "<c16", "\0\0\0\0\0\0\xe0\x3f\0\0\0\0\0\0\0\0"sv},
}};

const ExampleType* find_type(const std::string& dtype) {
  const auto* found = std::ranges::find(k_types, dtype, &ExampleType::dtype);
  return found == k_types.end() ? nullptr : found;
}

tl::unexpected<Error> unsupported(std::string message, std::string hint = {}) {
  return fail(ErrorCode::model_unsupported, std::move(message), std::move(hint));
}

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

bool is_value_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  });
}

// A plain word as it is, anything else in double quotes, which YAML reads as JSON does.
std::string quoted(const std::string& text) {
  return is_value_name(text) ? text : canonical_json(Json(text));
}

std::uint64_t element_count(const Json& shape) {
  std::uint64_t count = 1;
  for (const Json& size : shape)
    if (__builtin_mul_overflow(count, size.get<std::uint64_t>(), &count)) return UINT64_MAX;
  return count;
}

// `shape` filled with `value`, as JSON text: [[1, 1], [1, 1]].
std::string filled_json(const Json& shape, std::string_view value, std::size_t axis = 0) {
  if (axis == shape.size()) return std::string(value);
  const std::string inner = filled_json(shape, value, axis + 1);
  std::string text = "[";
  for (std::uint64_t i = 0; i < shape[axis].get<std::uint64_t>(); ++i)
    text += (i > 0 ? ", " : "") + inner;
  return text + "]";
}

// numpy/lib/format.py, version 1.0.
std::string filled_npy(const Json& shape, const ExampleType& type) {
  std::string sizes;
  for (const Json& size : shape)
    sizes += size.dump() + ", ";
  std::string header =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", type.npy, sizes);
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 11, ' ');
  header += '\n';
  std::string bytes = "\x93NUMPY\x01" + std::string(1, '\0');
  bytes += static_cast<char>(header.size() & 0xff);
  bytes += static_cast<char>(header.size() >> 8);
  bytes += header;
  for (std::uint64_t i = 0; i < element_count(shape); ++i)
    bytes += type.bytes;
  return bytes;
}

// "array of arrays of numbers", nested as deep as the tensor has axes.
std::string type_yaml(std::string_view element, std::size_t rank) {
  return rank == 0 ? fmt::format("{{type: {}}}", element)
                   : fmt::format("{{type: array, items: {}}}", type_yaml(element, rank - 1));
}

class Drafter {
 public:
  Drafter(const Json& report, const std::string& model_file, const std::string& name)
      : m_report(report),
        m_model_file(model_file),
        m_name(name),
        m_native(report["native_code"].get<bool>()) {}

  Result<ModelDraft> draft() {
    for (const Json& input : m_report["inputs"])
      MRUN_TRY(add_input(input));
    if (m_inputs.empty() && m_native) add_open_file(input_name("0"), "in.0"); // its source was left out
    if (m_inputs.empty()) return unsupported(m_model_file + " takes no inputs");
    const std::string output = output_yaml();
    m_draft.files.insert(m_draft.files.begin(),
                         {{"mrun.yaml", manifest_text(output)}, {"README.md", readme_text()}});
    // A draft that doesn't parse is a defect of ours; here it is still an error and no broken folder.
    MRUN_TRY(parse_manifest(m_draft.files[0].bytes, "mrun.yaml"));
    return std::move(m_draft);
  }

 private:
  // As the engine spells a nested argument's name for JSON: `opts.p` is opts_p.
  static std::string flat(std::string_view path) {
    std::string name;
    for (const char c : path)
      name += is_value_name(std::string_view(&c, 1)) && c != '.' ? c : '_';
    return name;
  }

  // A name for the caller: letters, digits and _, used once.
  std::string input_name(std::string_view path) {
    std::string name = flat(path);
    if (name.empty() || (name[0] >= '0' && name[0] <= '9') || name == "output") name = "input_" + name;
    std::string unique = name.substr(0, 100);
    for (int i = 2; !m_names.insert(unique).second; ++i)
      unique = fmt::format("{}_{}", name.substr(0, 100), i);
    return unique;
  }

  Result<void> add_input(const Json& input) {
    const std::string graph_name = text_of(input, "name"), path = graph_name.substr(3),
                      type = text_of(input, "type");
    const std::string name = input_name(path);
    // A name that manifests can't write is given by its position.
    const std::string target = is_value_name(graph_name)    ? graph_name
                               : input.contains("position") ? "in." + input["position"].dump()
                                                            : "";
    if (target.empty())
      return unsupported(fmt::format("the input `{}` has a name that no step can write", graph_name));
    const bool optional = input.value("optional", false);
    if (type == "none" || type == "string" || (optional && type != "tensor")) return {}; // its default serves
    if (type == "collection")
      return unsupported(fmt::format("the input `{}` is a collection of tensors", graph_name),
                         "export the model with torch.export, whose nested inputs have names of their own");
    if (type != "tensor") {
      if (name != flat(path))
        return unsupported(fmt::format("the number `{}` is nested in another argument", graph_name));
      add_json(name, fmt::format("{{type: {}}}", type),
               type == "integer"   ? "3"
               : type == "boolean" ? "true"
                                   : "0.5");
      return {};
    }
    const std::string dtype = text_of(input, "dtype");
    const auto shape = input.find("example_shape");
    if (dtype.empty() || shape == input.end() || !shape->is_array()) {
      if (!optional) add_open_file(name, target); // steps have no way to leave a tensor out
      return {};
    }
    const ExampleType* row = find_type(dtype);
    if (row == nullptr)
      return unsupported(
          fmt::format("the input `{}` is {}, which can't be given as JSON or .npy", graph_name, dtype),
          "wrap the model so that it takes a common dtype and converts it");
    return add_tensor(name, path, target, *row, *shape);
  }

  // JSON reaches the engine by the argument's own name.
  void add_json(const std::string& name, const std::string& type, const std::string& value) {
    m_inputs += fmt::format("  {}: {}\n", name, type);
    m_example += fmt::format("{}{}: {}", m_example.empty() ? "" : ", ", name, value);
  }

  Result<void> add_tensor(const std::string& name, const std::string& path, const std::string& target,
                          const ExampleType& type, const Json& shape) {
    const std::uint64_t count = element_count(shape);
    // Steps work on one example and add the batch axis, so a file is one example.
    const bool one_example = !shape.empty() && shape[0] == 1 && !type.npy.empty();
    Json lists = shape;
    if (type.dtype.starts_with('c')) lists.push_back(2); // [real, imaginary]
    if (name == flat(path) && lists.size() <= k_max_json_rank &&
        (count <= k_max_inline_elements || (!one_example && count <= k_max_json_elements))) {
      add_json(name, type_yaml(type.json_type, lists.size()), filled_json(lists, type.value));
      return {};
    }
    if (!one_example || count > k_max_file_elements)
      return unsupported(fmt::format("an example of the input `{}` ({}, {}) can't be drawn up", target,
                                     type.dtype, shape.dump()),
                         "wrap the model so that its first axis is the batch");
    Json example = shape;
    example.erase(0);
    const std::string file = fmt::format("examples/{}.npy", name);
    m_inputs += fmt::format("  {}: {{type: file, description: \"a .npy file, {} {}\"}}\n", name, type.dtype,
                            example.dump());
    m_example += fmt::format("{}{}: \"@{}\"", m_example.empty() ? "" : ", ", name, file);
    add_step(name, target);
    m_draft.files.push_back({file, filled_npy(example, type)});
    return {};
  }

  // What it takes is known to its code only.
  void add_open_file(const std::string& name, const std::string& target) {
    m_inputs += fmt::format("  {}: {{type: file, description: a .npy file of one example}}\n", name);
    add_step(name, target);
    m_open = true;
  }

  void add_step(const std::string& name, const std::string& target) {
    m_pre += fmt::format("  - {{step: from_npy, from: {}, to: {}}}\n", name, target);
  }

  // One tensor is an array, or a file when it is large; several are an object of arrays.
  std::string output_yaml() const {
    const Json& outputs = m_report["outputs"];
    if (outputs.size() > 1) return "output: {type: object}\n";
    const std::string only = outputs.empty() ? "" : text_of(outputs[0], "name");
    if (!is_value_name(only) || constant_elements(outputs[0]) <= k_max_json_elements)
      return "output: {type: any}\n";
    return fmt::format("output: {{type: file}}\npost:\n  - {{step: to_npy, from: {}, to: output}}\n", only);
  }

  // The product of the sizes that are known.
  static std::uint64_t constant_elements(const Json& value) {
    const auto shape = value.find("shape");
    std::uint64_t count = 1;
    if (shape != value.end() && shape->is_array())
      for (const Json& size : *shape)
        if (size.is_number() && __builtin_mul_overflow(count, size.get<std::uint64_t>(), &count))
          return UINT64_MAX;
    return count;
  }

  std::string manifest_text(const std::string& output) const {
    std::string text = fmt::format(
        "# Drafted by `mrun init --from`. The names of inputs and the steps are yours to change:\n"
        "# docs/formats/manifest.md and docs/formats/steps.md say what there is.\n"
        "mrun: 1\nname: {}\nengine: torch\nmodel: {}\n{}files: [{}{}, README.md]\ninputs:\n{}",
        m_name, quoted(m_model_file), m_native ? "options: {native_code: true}\n" : "", quoted(m_model_file),
        m_draft.files.empty() ? "" : ", examples/*.npy", m_inputs);
    if (!m_pre.empty()) text += "pre:                # the batch axis is added behind the steps\n" + m_pre;
    text += output;
    if (!m_open) text += fmt::format("examples:\n  - name: first\n    input: {{{}}}\n", m_example);
    return text;
  }

  std::string readme_text() const {
    std::string flags;
    for (const std::string& name : m_names)
      flags += fmt::format(" -i {}=…", name);
    return fmt::format(
        "# {}\n\nA model made of `{}` by `mrun init --from`.\n\n```sh\nmrun inspect ./{}      # what it "
        "takes "
        "and gives\nmrun pack .\nmrun show {}\n```\n\nThen `mrun predict {}{}`; `mrun.yaml` has an "
        "example of each input that it could draw up.\n",
        m_name, m_model_file, m_model_file, m_name, m_name, flags);
  }

  const Json& m_report;
  const std::string& m_model_file;
  const std::string& m_name;
  std::set<std::string> m_names;
  std::string m_inputs, m_example, m_pre;
  bool m_native;       // machine code, which runs elsewhere only after consent
  bool m_open = false; // an input that no example is known for
  ModelDraft m_draft;
};

Result<void> write_file(const fs::path& path, std::string_view bytes) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!fd) return fail_errno(ErrorCode::io, errno, fmt::format("can't write {}", path.string()));
  return write_all(fd.get(), bytes, path.string());
}

Result<void> write_all_files(const ModelDraft& draft, const fs::path& model, const fs::path& target) {
  std::error_code error;
  fs::create_directories(target, error);
  if (!error) fs::copy_file(model, target / model.filename(), error);
  if (error) return fail_errno(ErrorCode::io, error.value(), fmt::format("can't copy {}", model.string()));
  for (const DraftFile& file : draft.files)
    MRUN_TRY(write_file(target / file.path, file.bytes));
  return {};
}

} // namespace

Result<ModelDraft> draft_model(const Json& report, const std::string& model_file, const std::string& name) {
  const std::string kind = text_of(report, "kind");
  if (!report["problems"].empty())
    return unsupported(fmt::format("{}: {}", model_file, text_of(report["problems"][0], "message")),
                       text_of(report["problems"][0], "hint"));
  if (kind != "exported_program" && kind != "torchscript" && kind != "aot_inductor")
    return unsupported(fmt::format("{} holds weights and no program", model_file),
                       "export the model: torch.export.save(torch.export.export(model, inputs), FILE)");
  return Drafter(report, model_file, name).draft();
}

Result<std::size_t> write_draft(const ModelDraft& draft, const fs::path& model, const fs::path& target) {
  MRUN_TRY(check_empty_target(target));
  std::error_code error;
  const bool was_there = fs::exists(target, error);
  if (const Result<void> written = write_all_files(draft, model, target); !written) {
    clear_target(target, was_there);
    return tl::unexpected<Error>(written.error());
  }
  return draft.files.size() + 1;
}

} // namespace mrun::cli
