#include "cost/device_price.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"
#include "cost/exact.h"

namespace mrun {
namespace {

// "A100" of "A100 80GB SXM"; "" when the rules do not know it.
std::string product_word(const Device& device, const PriceRules& rules) {
  for (const PriceRules::Gpu& gpu : rules.gpus)
    for (const std::string& word : gpu.words)
      if (has_word(device.name, word)) return word;
  return "";
}

std::vector<std::string> needed_words(const Device& device, const PriceRules& rules) {
  const std::string product = product_word(device, rules);
  std::vector<std::string> words;
  if (product.empty()) {
    for (const std::string_view word : split(device.name, ' '))
      words.emplace_back(word);
    return words;
  }
  words.push_back(product);
  for (const PriceRules::Ambiguous& ambiguous : rules.ambiguous)
    if (ambiguous.word == product)
      for (const std::string& variant : ambiguous.variants)
        if (has_word(device.name, variant)) words.push_back(variant);
  return words;
}

} // namespace

bool is_row_of(const PriceRow& row, const Device& device, const std::vector<Device>& devices,
               const PriceRules& rules) {
  const std::string_view memory = row.dim("memory_gb");
  const std::string names =
      fmt::format("{} {} {}", row.sku, row.dim("gpu"), memory.empty() ? "" : fmt::format("{}GB", memory));
  for (const std::string& word : needed_words(device, rules))
    if (!has_word(names, word)) return false;
  const std::string product = product_word(device, rules);
  for (const Device& other : devices) {
    if (product.empty() || other.name == device.name || product_word(other, rules) != product) continue;
    for (const std::string_view word : split(other.name, ' '))
      if (!has_word(device.name, word) && has_word(names, word)) return false;
  }
  return true;
}

bool is_cpu_like(const PriceRow& row, int core_count, double bytes) {
  const std::string_view cores = row.dim("vcpu_count").empty() ? row.dim("cpu_count") : row.dim("vcpu_count");
  const Result<Exact> there = parse_exact(cores, ErrorCode::price_file);
  if (!there || *there < core_count || *there >= 2 * core_count) return false;
  const Result<Exact> memory_gb = parse_exact(row.dim("memory_gb"), ErrorCode::price_file);
  return !memory_gb || static_cast<double>(*memory_gb) * 1e9 >= bytes;
}

} // namespace mrun
