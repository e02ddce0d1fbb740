// A loaded model: the bundle's files, its pre and post steps, and the predictor's handle.
//
// load and the destructor run on the worker's main thread; start and complete on prediction threads, several
// at once up to the manifest's concurrency (complete also on a module's own thread).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/error.h"
#include "common/json.h"
#include "runtime/file_door.h"
#include "runtime/steps/step.h"
#include "runtime/worker/host.h"
#include "runtime/worker/module.h"

namespace mrun {

class Model : public StepFiles {
 public:
  // `spec_text`: docs/formats/model-spec.md. `blobs`: blobs/sha256. Without a `module` the bundle's own
  // (`model:` of the manifest) is opened. Times its phases in `host`, runs the warm-up inputs. Error
  // load_failed and what steps, files and the engine say.
  static Result<std::unique_ptr<Model>> load(std::string_view spec_text, UniqueFd blobs, Host& host,
                                             std::optional<Module> module);
  ~Model() override; // unloads

  int concurrency() const { return m_concurrency; }
  const FileInputs& file_inputs() const { return m_file_inputs; }
  bool finishes_later() const { return m_module->finishes_later(); }

  // Runs the pre steps and starts the predictor. MRUN_OK and finishes_later(): accepted, complete() comes
  // later. Otherwise the status goes to complete() now. Errors are those of the pre steps.
  Result<mrun_status> start(Job& job);
  // The end of a start: post steps and the output on MRUN_OK, else the error that the status means.
  Result<void> complete(Job& job, mrun_status status);
  // Passes a cancel on to the predictor.
  void cancel(std::uint64_t id);

  Result<std::string_view> bundle_file(std::string_view path) override;
  int cache_dir_fd() const override { return m_host.cache_dir_fd(); }

 private:
  explicit Model(Host& host) : m_host(host) {}
  void find_file_inputs();
  Result<void> read_spec(std::string_view text, UniqueFd blobs);
  Result<void> make_pipelines();
  Result<void> open_own_module();
  Result<void> load_predictor();
  Result<void> warm_up();
  Result<void> warm_up_with(const Json& given, std::uint64_t id);
  Result<Json> warm_up_input(const Json& given, std::vector<UniqueFd>& fds) const;
  Result<void> send_result(Job& job, const std::vector<std::string>& tensors);
  Result<void> send_value(Job& job, const StepValue& value);
  std::string first_input() const;

  Host& m_host;
  std::optional<Module> m_module;
  std::optional<FileDoor> m_door;
  Json m_spec;
  std::string m_spec_text;
  std::string m_main_file;
  std::string m_output_type;
  FileInputs m_file_inputs;
  std::optional<Pipeline> m_pre, m_post;
  int m_concurrency = 1;
  void* m_handle = nullptr;
  bool m_loaded = false;
};

// What a module's status means, with the words it gave to host->fail. `failed` is the code of MRUN_FAILED.
Error error_of_status(mrun_status status, const std::optional<Failure>& failure, ErrorCode failed);

} // namespace mrun
