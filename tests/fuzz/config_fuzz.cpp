// config.yaml, as the commands and as the daemon read it.
#include "daemon/app/config.h"
#include "packager/config_file.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

namespace {

constexpr std::string_view k_file = "/home/me/config.yaml";

void check_rules(const SharingConfig& config) {
  for (const SignatureRule& rule : config.require_signature)
    MRUN_CHECK(!rule.pattern.empty() && rule.pattern.size() <= 255);
  const std::string long_part(100, 'a');
  for (const std::string_view repository : {std::string_view("acme/model"), std::string_view(long_part)})
    (void)rule_for(config.require_signature, long_part + ".io", repository);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  const auto root = parse_config_tree(text, k_file);
  if (!root) {
    fuzz::check_error(root.error());
    return 0;
  }
  const auto sharing = read_sharing_config(*root, k_file);
  if (sharing)
    check_rules(*sharing);
  else
    fuzz::check_error(sharing.error());
  const auto config = parse_config(text, k_file);
  if (!config) {
    fuzz::check_error(config.error());
    return 0;
  }
  MRUN_CHECK(sharing.has_value()); // the daemon is no more lenient
  MRUN_CHECK(config->max_queue >= 1 && config->idle_unload.count() >= 0 &&
             config->drain_timeout.count() >= 0);
  MRUN_CHECK(!config->cost || config->cost->rate >= Money());
  return 0;
}
