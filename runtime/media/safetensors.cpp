#include "runtime/media/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include "common/json.h"
#include "common/limits.h"
#include "common/little_endian.h"
#include "common/text.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_header_bytes = 16 * k_mib;
constexpr std::size_t k_length_bytes = 8;

struct TypeName {
  std::string_view text;
  DType type;
};
constexpr std::array<TypeName, 17> k_types = {{{"F32", DType::f32},
                                               {"F64", DType::f64},
                                               {"F16", DType::f16},
                                               {"BF16", DType::bf16},
                                               {"I8", DType::i8},
                                               {"I16", DType::i16},
                                               {"I32", DType::i32},
                                               {"I64", DType::i64},
                                               {"U8", DType::u8},
                                               {"BOOL", DType::boolean},
                                               {"U16", DType::u16},
                                               {"U32", DType::u32},
                                               {"U64", DType::u64},
                                               {"C64", DType::c64},
                                               {"F8_E4M3", DType::f8_e4m3fn},
                                               {"F8_E5M2", DType::f8_e5m2},
                                               {"F8_E8M0", DType::f8_e8m0fnu}}};

tl::unexpected<Error> broken(std::string_view why, std::string hint = {}) {
  return fail(ErrorCode::input_file, fmt::format("the safetensors file can't be read: {}", why),
              std::move(hint));
}

bool is_size(const Json& value) {
  return value.is_number_unsigned() && value.get<std::uint64_t>() <= INT64_MAX;
}

struct Entry {
  DType type;
  std::vector<std::int64_t> shape;
  std::uint64_t begin, end; // in the data
};

// The entry's fields, each checked for its type; nothing about the data yet.
Result<Entry> parse_entry(const std::string& name, const Json& json) {
  const auto bad = [&](std::string_view what) {
    return broken(fmt::format("tensor `{}` has {}", printable(name, 60), what));
  };
  if (!json.is_object() || json.size() != 3 || !json.contains("dtype") || !json.contains("shape") ||
      !json.contains("data_offsets"))
    return bad("not exactly dtype, shape and data_offsets");
  const Json& dtype = json["dtype"];
  const Json& shape = json["shape"];
  const Json& offsets = json["data_offsets"];
  const auto type = std::find_if(k_types.begin(), k_types.end(),
                                 [&](const TypeName& known) { return dtype == known.text; });
  if (type == k_types.end())
    return bad(fmt::format("the type {}, which is not read", printable(canonical_json(dtype), 20)));
  if (!shape.is_array() || shape.size() > k_max_tensor_rank ||
      !std::all_of(shape.begin(), shape.end(), is_size))
    return bad("a shape that is no list of sizes");
  if (!offsets.is_array() || offsets.size() != 2 || !is_size(offsets[0]) || !is_size(offsets[1]))
    return bad("offsets that are no two numbers");
  return Entry{type->type, shape.get<std::vector<std::int64_t>>(), offsets[0].get<std::uint64_t>(),
               offsets[1].get<std::uint64_t>()};
}

// Every byte of the data belongs to exactly one tensor.
Result<void> check_layout(const Json& header, std::uint64_t data_bytes) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (const auto& [name, json] : header.items()) {
    if (name == "__metadata__") continue;
    MRUN_ASSIGN(const Entry entry, parse_entry(name, json));
    std::uint64_t size = dtype_size(entry.type);
    for (const std::int64_t axis : entry.shape)
      if (__builtin_mul_overflow(size, static_cast<std::uint64_t>(axis), &size))
        return broken(fmt::format("tensor `{}` is too large", printable(name, 60)));
    if (entry.end < entry.begin || entry.end > data_bytes || entry.end - entry.begin != size)
      return broken(
          fmt::format("tensor `{}` has offsets {} to {}, its shape needs {} bytes and the data has {}",
                      printable(name, 60), entry.begin, entry.end, size, data_bytes));
    ranges.emplace_back(entry.begin, entry.end);
  }
  std::sort(ranges.begin(), ranges.end());
  std::uint64_t at = 0;
  for (const auto& [begin, end] : ranges) {
    if (begin != at)
      return broken(fmt::format("its data has a gap or an overlap at byte {}", std::min(begin, at)));
    at = end;
  }
  if (at != data_bytes)
    return broken(fmt::format("{} bytes of its data belong to no tensor", data_bytes - at));
  return {};
}

// The member of the header that is meant.
Result<std::string> pick(const Json& header, std::string_view name) {
  std::vector<std::string> names;
  for (const auto& [key, value] : header.items())
    if (key != "__metadata__") names.push_back(key);
  if (name.empty() && names.size() == 1) return names.front();
  if (name.empty())
    return broken(fmt::format("it has {} tensors, and none is named by the step's `tensor`", names.size()));
  if (std::find(names.begin(), names.end(), name) != names.end()) return std::string(name);
  const std::string near = nearest(name, names);
  return broken(fmt::format("it has no tensor `{}`", printable(name, 60)),
                near.empty() ? "" : fmt::format("did you mean `{}`?", near));
}

} // namespace

Result<Tensor> read_safetensors(std::string_view bytes, std::string_view name) {
  if (bytes.size() < k_length_bytes) return broken("it has fewer than 8 bytes");
  const std::uint64_t length = read_little_endian<std::uint64_t>(bytes, 0);
  if (length > k_max_header_bytes || length > bytes.size() - k_length_bytes)
    return broken(fmt::format("its header says that it has {} bytes; the file has {} and a header at most {}",
                              length, bytes.size(), k_max_header_bytes));
  MRUN_ASSIGN(const Json header,
              parse_json(bytes.substr(k_length_bytes, length), ErrorCode::input_file,
                         "the header of the safetensors file", {.max_bytes = k_max_header_bytes}));
  if (!header.is_object()) return broken("its header is no object");
  const std::string_view data = bytes.substr(k_length_bytes + length);
  MRUN_TRY(check_layout(header, data.size()));
  MRUN_ASSIGN(const std::string key, pick(header, name));
  MRUN_ASSIGN(Entry entry, parse_entry(key, header.at(key)));
  auto tensor = Tensor::make(entry.type, std::move(entry.shape));
  if (!tensor) return broken(tensor.error().message);
  if (tensor->size_bytes() != 0) std::memcpy(tensor->data(), data.data() + entry.begin, tensor->size_bytes());
  return tensor;
}

Result<std::string> write_safetensors(std::span<const std::pair<std::string, Tensor>> tensors) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  std::uint64_t at = 0;
  for (const auto& [name, tensor] : tensors) {
    const auto type = std::find_if(k_types.begin(), k_types.end(),
                                   [&](const TypeName& known) { return known.type == tensor.dtype(); });
    if (type == k_types.end())
      return fail(
          ErrorCode::prediction_failed,
          fmt::format("`{}` is {}, which safetensors lacks", printable(name, 60), dtype_name(tensor.dtype())),
          "write it with to_npy");
    header[name] = {
        {"dtype", type->text}, {"shape", tensor.shape()}, {"data_offsets", {at, at + tensor.size_bytes()}}};
    at += tensor.size_bytes();
  }
  if (at > k_max_payload_bytes)
    return fail(ErrorCode::output_limit, fmt::format("the tensors have {} together, at most {} are allowed",
                                                     format_bytes(at), format_bytes(k_max_payload_bytes)));
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string out;
  out.reserve(k_length_bytes + text.size() + at);
  for (std::size_t i = 0; i < k_length_bytes; ++i)
    out += static_cast<char>(text.size() >> (8 * i) & 255);
  out += text;
  for (const auto& [name, tensor] : tensors)
    out.append(static_cast<const char*>(tensor.data()), tensor.size_bytes());
  return out;
}

} // namespace mrun
