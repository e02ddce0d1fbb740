// steps_probe BUNDLE_FOLDER [CACHE_FOLDER]: runs steps for tests in other languages. A line of standard input
// is
//   {"steps": […], "values": {"text": "…"}, "files": {"image": "/path"}, "want": ["in.x"], "repeat": 1}
// and a line of standard output {"ok": {name: value}, "metrics": {…}, "make_ns": n, "run_ns": n} or {"error":
// name, "message": text}. A tensor is {"dtype", "shape", "base64"}, a made file {"media_type", "base64"}.
// Times are the least of the repetitions.
#include <fcntl.h>

#include <iostream>
#include <map>

#include "common/clock.h"
#include "common/text.h"
#include "runtime/steps/tests/folder_files.h"

namespace mrun {
namespace {

Json value_json(const StepValue& value) {
  if (const Json* json = std::get_if<Json>(&value)) return *json;
  if (const MadeFile* file = std::get_if<MadeFile>(&value))
    return {{"media_type", file->media_type}, {"base64", base64_encode(file->bytes)}};
  const Tensor* tensor = std::get_if<Tensor>(&value);
  if (tensor == nullptr) return "file";
  return {{"dtype", dtype_name(tensor->dtype())},
          {"shape", tensor->shape()},
          {"base64", base64_encode({static_cast<const char*>(tensor->data()), tensor->size_bytes()})}};
}

class Probe {
 public:
  Probe(std::string folder, UniqueFd cache) {
    m_files.folder = std::move(folder);
    m_files.cache = std::move(cache);
  }

  Json answer(const Json& request) {
    auto result = run(request);
    if (result) return *std::move(result);
    return {{"error", result.error().row().name}, {"message", result.error().message}};
  }

 private:
  Result<Json> run(const Json& request) {
    const std::int64_t start = system_clock().monotonic_ns();
    const std::string key = request.at("steps").dump() + request.at("want").dump();
    auto at = m_pipelines.find(key);
    if (at == m_pipelines.end()) {
      MRUN_ASSIGN(Pipeline pipeline,
                  Pipeline::make(request.at("steps"), m_files, request.value("first_from", "out.0"),
                                 request.at("want")));
      at = m_pipelines.emplace(key, std::move(pipeline)).first;
    }
    const std::int64_t make_ns = system_clock().monotonic_ns() - start;
    std::vector<std::string> contents;
    Namespace given;
    const Json plain = request.value("values", Json::object());
    for (const auto& [name, value] : plain.items())
      given.emplace(name, value);
    const Json files = request.value("files", Json::object());
    contents.reserve(files.size());
    for (const auto& [name, path] : files.items()) {
      MRUN_ASSIGN(std::string bytes, read_file(path.get<std::string>(), 256 * k_mib, ErrorCode::input_file,
                                               ErrorCode::input_file));
      contents.push_back(std::move(bytes));
      given.emplace(name, FileBytes{name, contents.back()});
    }
    Json reply;
    std::int64_t run_ns = INT64_MAX;
    for (int i = 0; i < request.value("repeat", 1); ++i) {
      Namespace values = given;
      std::map<std::string, double, std::less<>> metrics;
      StepContext context{values, metrics};
      const std::int64_t begin = system_clock().monotonic_ns();
      MRUN_TRY(at->second.run(context));
      run_ns = std::min(run_ns, system_clock().monotonic_ns() - begin);
      reply = {{"ok", Json::object()}, {"metrics", metrics}};
      for (const Json& name : request.at("want"))
        reply["ok"][name.get<std::string>()] = values.contains(name.get<std::string>())
                                                   ? value_json(values.at(name.get<std::string>()))
                                                   : Json();
    }
    reply["make_ns"] = make_ns;
    reply["run_ns"] = run_ns;
    return reply;
  }

  test::TestFiles m_files;
  std::map<std::string, Pipeline> m_pipelines;
};

} // namespace
} // namespace mrun

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: steps_probe BUNDLE_FOLDER [CACHE_FOLDER] < requests\n";
    return 2;
  }
  mrun::UniqueFd cache(argc > 2 ? ::open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1);
  mrun::Probe probe(argv[1], std::move(cache));
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto request = mrun::parse_json(line, mrun::ErrorCode::body_invalid, "the request",
                                          {.max_bytes = 256 * mrun::k_mib});
    if (!request) {
      std::cerr << request.error().message << '\n';
      return 1;
    }
    std::cout << probe.answer(*request).dump() << std::endl;
  }
  return 0;
}
