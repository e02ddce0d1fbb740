// The steps for sound, beside torchaudio's formulas (runtime/media/tests/make_sound_reference.py).
#include <doctest/doctest.h>

#include <cmath>

#include "runtime/media/tests/sound_reference.h"
#include "runtime/steps/tensor_json.h"
#include "runtime/steps/tests/folder_files.h"

using namespace mrun;
using test::floats_of;
using test::sound_reference;

namespace {

struct Run {
  Namespace values;
  std::map<std::string, double, std::less<>> metrics;
  test::TestFiles files;

  Result<void> steps(const Json& list) {
    MRUN_ASSIGN(const Pipeline pipeline, Pipeline::make(list, files, "sound"));
    StepContext context{values, metrics};
    return pipeline.run(context);
  }
  Tensor get(const Json& list) {
    const auto done = steps(list);
    if (!done) FAIL(done.error().message);
    return std::get<Tensor>(values.at("r"));
  }
  Error error(const char* list) {
    const auto done = steps(Json::parse(list));
    REQUIRE_FALSE(done.has_value());
    return done.error();
  }
};

Tensor tensor_of(const std::vector<float>& numbers, std::vector<std::int64_t> shape) {
  Tensor tensor = Tensor::make(DType::f32, std::move(shape)).value();
  MRUN_CHECK(tensor.element_count() == numbers.size());
  std::copy(numbers.begin(), numbers.end(), tensor.as<float>().begin());
  return tensor;
}

void check_close(const Tensor& got, const Json& expected, float tolerance) {
  CHECK(Json(got.shape()) == expected["shape"]);
  const std::vector<float> numbers = floats_of(expected);
  REQUIRE(got.element_count() == numbers.size());
  float worst = 0;
  for (std::size_t i = 0; i < numbers.size(); ++i)
    worst = std::max(worst, std::abs(got.as<float>()[i] - numbers[i]) / (1 + std::abs(numbers[i])));
  CHECK(worst < tolerance);
}

} // namespace

TEST_CASE("resample gives torchaudio's samples") {
  const std::vector<float> wave = floats_of(sound_reference()["wave"]);
  for (const Json& row : sound_reference()["resample"]) {
    Run run;
    run.values["sound"] = tensor_of(wave, {static_cast<std::int64_t>(wave.size())});
    Json step = Json::object();
    step["step"] = "resample";
    step["from_rate"] = row["from"];
    step["rate"] = row["to"];
    step["to"] = "r";
    check_close(run.get(Json::array({step})), row["result"], 1e-6f);
  }
}

TEST_CASE("log_mel gives torchaudio's spectrogram, for each kind of scale, norm and logarithm") {
  const std::vector<float> wave = floats_of(sound_reference()["wave"]);
  for (const Json& row : sound_reference()["log_mel"]) {
    CAPTURE(row["options"].dump());
    Run run;
    run.values["sound"] = tensor_of(wave, {static_cast<std::int64_t>(wave.size())});
    Json step = row["options"];
    step["step"] = "log_mel";
    step["to"] = "r";
    if (step["log"] == "db" || step["log"] == "none") step.erase("offset");
    check_close(run.get(Json::array({step})), row["result"], 1e-5f);
  }
}

TEST_CASE("a file becomes a spectrogram; the rate goes along") {
  Run run;
  const std::string file = test::bytes_of(sound_reference()["sounds"]["wav 16"]["file"]);
  run.values["sound"] = FileBytes{"a.wav", file};
  const Tensor out =
      run.get(Json::parse(R"([{"step":"decode_audio"},{"step":"mono"},{"step":"resample","rate":16000},
      {"step":"log_mel","sample_rate":16000,"n_fft":64,"n_mels":8,"to":"r"}])"));
  CHECK(out.shape() == std::vector<std::int64_t>{8, 4}); // 300 samples of 44.1 kHz are 109 of 16
  const Tensor both =
      run.get(Json::parse(R"([{"step":"decode_audio","to":"x"},{"step":"resample","rate":22050},
      {"step":"log_mel","sample_rate":22050,"n_fft":64,"n_mels":8,"to":"r"}])"));
  CHECK(both.shape() == std::vector<std::int64_t>{2, 8, 5});
  const Error wrong = run.error(
      R"([{"step":"decode_audio"},{"step":"mono"},{"step":"log_mel","sample_rate":16000,"to":"r"}])");
  CHECK(wrong.message == "the sound has 44100 Hz, `log_mel` is set to 16000");
  CHECK(wrong.hint == "put `{step: resample, rate: 16000}` before it");
}

TEST_CASE("mono is the mean of the channels") {
  Run run;
  run.values["sound"] = tensor_of({1, 2, 3, 3, 2, 7}, {2, 3});
  CHECK(tensor_to_json(run.get(Json::parse(R"([{"step":"mono","to":"r"}])"))).value() ==
        Json::parse("[2.0,2.0,5.0]"));
  run.values["sound"] = tensor_of({1, 2}, {2});
  CHECK(tensor_to_json(run.get(Json::parse(R"([{"step":"mono","to":"r"}])"))).value() ==
        Json::parse("[1.0,2.0]"));
  run.values["sound"] = tensor_of({1, 2}, {1, 1, 2});
  CHECK(run.error(R"([{"step":"mono","to":"r"}])")
            .message.find("is no sound: [samples] or [channels, samples]") != std::string::npos);
}

TEST_CASE("sounds that steps refuse") {
  Run run;
  run.values["sound"] = FileBytes{"a.wav", "junk"};
  const Error junk = run.error(R"([{"step":"decode_audio","to":"r"}])");
  CHECK(junk.code == ErrorCode::input_file);
  CHECK(junk.message.starts_with("`sound`: the file is no WAV, FLAC or Ogg sound"));
  run.values["sound"] = tensor_of(std::vector<float>(100, 0.5f), {100});
  CHECK(run.error(R"([{"step":"resample","rate":8000,"to":"r"}])").hint == "name it: `from_rate: 44100`");
  run.values["sound"] = tensor_of(std::vector<float>(200, 0.5f), {200});
  CHECK(run.error(R"([{"step":"resample","rate":768000,"from_rate":1,"to":"r"}])")
            .message.starts_with("the sound would have 153600000 samples of 1 channels at 768000 Hz"));
  run.values["sound"] = tensor_of(std::vector<float>(100, 0.5f), {100});
  const Error brief = run.error(R"([{"step":"log_mel","sample_rate":8000,"to":"r"}])");
  CHECK(brief.code == ErrorCode::input_file);
  CHECK(brief.message == "the sound is too short: it has 100 samples, 201 are needed");
}

TEST_CASE("options of the sound steps that are refused at load") {
  const auto refused = [](const char* list) {
    test::TestFiles files;
    const auto pipeline = Pipeline::make(Json::parse(list), files, "sound");
    REQUIRE_FALSE(pipeline.has_value());
    CHECK(pipeline.error().code == ErrorCode::manifest_step);
    return pipeline.error().message;
  };
  CHECK(refused(R"([{"step":"resample"}])") == "step `resample`: option `rate` is missing");
  CHECK(refused(R"([{"step":"resample","rate":0}])").find("an integer from 1 to 768000") !=
        std::string::npos);
  CHECK(refused(R"([{"step":"log_mel"}])").find("`sample_rate` is missing") != std::string::npos);
  CHECK(refused(R"([{"step":"log_mel","sample_rate":8000,"n_fft":398}])").find("prime factor 199") !=
        std::string::npos);
  CHECK(refused(R"([{"step":"log_mel","sample_rate":8000,"win_length":401}])").find("from 1 to 400") !=
        std::string::npos);
  CHECK(refused(R"([{"step":"log_mel","sample_rate":8000,"f_min":5000}])").find("a number from 0 to 4000") !=
        std::string::npos);
  CHECK(
      refused(R"([{"step":"log_mel","sample_rate":8000,"f_min":3000,"f_max":3000}])").find("must be below") !=
      std::string::npos);
  CHECK(refused(R"([{"step":"log_mel","sample_rate":8000,"log":"db","offset":1}])").find("`offset` is for") !=
        std::string::npos);
  CHECK(refused(R"([{"step":"log_mel","sample_rate":8000,"top_db":80}])").find("`top_db` is for") !=
        std::string::npos);
  CHECK(refused(R"([{"step":"log_mel","sample_rate":8000,"f_max":"high"}])").find("a number from") !=
        std::string::npos);
  CHECK(refused(R"([{"step":"mono","keep":true}])").find("has no option `keep`") != std::string::npos);
  CHECK(refused(R"([{"step":"decode_audio","rate":16000}])").find("has no option `rate`") !=
        std::string::npos);
}
