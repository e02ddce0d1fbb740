// @NAME@: statistics of a text file, as a predictor for mrun.
//
// mrun loads predictor.so and calls the five functions of the table at the end of this file. Everything that
// a predictor may do is described in mrun_predictor.h, the only file of mrun that this one needs.
#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mrun_predictor.h"

namespace {

// What load prepares and start uses. A larger model would keep its mapped weights here.
struct Model {
  const mrun_host* host = nullptr;
};

mrun_text text_of(std::string_view text) {
  return {text.data(), text.size()};
}

bool is_named(const mrun_value& value, std::string_view name) {
  return std::string_view(value.name.data, value.name.size) == name;
}

const mrun_value* find_input(const mrun_request& request, std::string_view name) {
  for (std::size_t i = 0; i < request.input_count; ++i)
    if (is_named(request.inputs[i], name)) return &request.inputs[i];
  return nullptr;
}

// Gives the reason of the status that is about to be returned: the user sees it.
mrun_status refuse(const Model& model, std::uint64_t id, mrun_status status, std::string_view why) {
  model.host->fail(model.host, id, text_of(why), text_of({}));
  return status;
}

// Sends a piece of the streamed output; the user sees it at once.
mrun_status say(const Model& model, std::uint64_t id, const std::string& line) {
  mrun_value value = {};
  value.struct_size = sizeof value;
  value.kind = MRUN_VALUE_TEXT;
  value.name = text_of("output");
  value.text = text_of(line);
  return model.host->emit(model.host, id, &value);
}

// Lower-case words of letters and digits; bytes of UTF-8 beyond ASCII count as letters.
std::map<std::string, std::size_t> count_words(std::string_view text) {
  std::map<std::string, std::size_t> counts;
  std::string word;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const unsigned char byte = i < text.size() ? static_cast<unsigned char>(text[i]) : ' ';
    if (std::isalnum(byte) != 0 || byte >= 0x80) {
      word += static_cast<char>(std::tolower(byte));
    } else if (!word.empty()) {
      ++counts[word];
      word.clear();
    }
  }
  return counts;
}

mrun_status describe(const Model& model, const mrun_request& request, std::string_view text,
                     std::size_t top) {
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  const std::map<std::string, std::size_t> counts = count_words(text);
  std::size_t words = 0;
  for (const auto& entry : counts)
    words += entry.second;
  if (const mrun_status status = say(model, request.id,
                                     std::to_string(text.size()) + " bytes, " + std::to_string(lines) +
                                         " lines, " + std::to_string(words) + " words\n");
      status != MRUN_OK)
    return status;
  std::vector<std::pair<std::string, std::size_t>> ranking(counts.begin(), counts.end());
  std::stable_sort(ranking.begin(), ranking.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  for (std::size_t i = 0; i < std::min(top, ranking.size()); ++i) {
    if (model.host->cancelled(model.host, request.id) != 0) return MRUN_CANCELLED;
    const std::string line = std::to_string(ranking[i].second) + "  " + ranking[i].first + "\n";
    if (const mrun_status status = say(model, request.id, line); status != MRUN_OK) return status;
  }
  return model.host->metric(model.host, request.id, text_of("words"), static_cast<double>(words));
}

mrun_status predict(const Model& model, const mrun_request& request) {
  const mrun_value* document = find_input(request, "document");
  if (document == nullptr || document->kind != MRUN_VALUE_FILE)
    return refuse(model, request.id, MRUN_INVALID_INPUT, "the input `document` is not a file");
  const void* data = nullptr;
  if (document->file->span(document->file, 0, document->file->size, &data) != MRUN_OK)
    return refuse(model, request.id, MRUN_FAILED, "the input `document` can't be read");
  const std::string_view text(static_cast<const char*>(data), static_cast<std::size_t>(document->file->size));
  const mrun_value* top =
      find_input(request, "top"); // JSON text of an integer, in the range that mrun.yaml gives
  const std::string digits = top == nullptr ? "5" : std::string(top->text.data, top->text.size);
  return describe(model, request, text, static_cast<std::size_t>(std::strtoul(digits.c_str(), nullptr, 10)));
}

// ---- what mrun calls; nothing may throw out of these
// -------------------------------------------------------------

mrun_status load(const mrun_host* host, const mrun_model*, void** model) {
  try {
    *model = new Model{host};
    return MRUN_OK;
  } catch (const std::exception&) {
    return MRUN_OUT_OF_MEMORY;
  }
}

mrun_status start(void* handle, const mrun_request* requests, std::size_t count) {
  const Model& model = *static_cast<Model*>(handle);
  for (std::size_t i = 0; i < count; ++i) {
    try {
      if (const mrun_status status = predict(model, requests[i]); status != MRUN_OK) return status;
    } catch (const std::exception& error) {
      return refuse(model, requests[i].id, MRUN_FAILED, error.what());
    }
  }
  return MRUN_OK;
}

void unload(void* handle) {
  delete static_cast<Model*>(handle);
}

mrun_predictor make_predictor() {
  mrun_predictor predictor = {};
  predictor.struct_size = sizeof predictor;
  predictor.abi_major = MRUN_ABI_MAJOR;
  predictor.abi_minor = MRUN_ABI_MINOR;
  predictor.name = text_of("text-statistics");
  predictor.version = text_of("1.0.0");
  predictor.load = load;
  predictor.start = start;
  predictor.unload = unload;
  return predictor;
}

} // namespace

extern "C" MRUN_EXPORT const mrun_predictor* mrun_predictor_v1(const mrun_host* host) {
  static const mrun_predictor predictor = make_predictor();
  return host->abi_major == MRUN_ABI_MAJOR ? &predictor : nullptr;
}
