#include "packager/model_spec.h"

#include <charconv>

#include "packager/consent.h"

namespace mrun {
namespace {

Json file_json(const BundleFile& file) {
  Json segments = Json::array();
  for (const Segment& segment : file.segments)
    segments.push_back(
        {{"blob", segment.blob.hex()}, {"offset", segment.offset}, {"length", segment.length}});
  return {{"path", file.path.text()},
          {"mode", file.mode},
          {"size", file.size},
          {"segments", std::move(segments)}};
}

Json device_json(std::string_view device) {
  const std::size_t colon = device.find(':');
  int id = 0;
  if (colon != std::string_view::npos)
    std::from_chars(device.data() + colon + 1, device.data() + device.size(), id);
  return {{"type", device.substr(0, colon)}, {"id", id}};
}

} // namespace

Json model_spec(const Bundle& bundle, std::string_view device, int threads, std::uint64_t memory_bytes) {
  Json files = Json::array();
  for (const BundleFile& file : bundle.files)
    files.push_back(file_json(file));
  return {{"schema", "mrun.model_spec/v1"},
          {"version", bundle.digest.hex()},
          {"manifest", manifest_json(bundle.manifest)},
          // check_consent() came before: nothing is started without it.
          {"native_code", runs_own_code(bundle.manifest)},
          {"files", std::move(files)},
          {"device", device_json(device)},
          {"threads", threads},
          {"limits", {{"memory_bytes", memory_bytes}}}};
}

} // namespace mrun
