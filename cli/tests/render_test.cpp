#include <doctest/doctest.h>
#include <fcntl.h>

#include "cli/predict/summary.h"
#include "cli/render/errors.h"
#include "cli/render/github.h"
#include "cli/render/json_text.h"
#include "cli/render/model_text.h"
#include "cli/render/table.h"
#include "cli/template_copy.h"
#include "common/fd.h"

namespace mrun::cli {
namespace {

const Json k_metrics = Json::parse(R"({
  "phases_ns": {"queue": 1000000, "import": 12000000, "build": 10000000, "predict": 11000000, "other": 8000000},
  "total_time": 0.042, "cold_start": true, "device": "cpu", "peak_memory_bytes": 1048576, "cost": null,
  "cost_reason": "no rate is set", "cost_reference": {"amount": "0.0001", "currency": "USD", "provider": "replicate", "sku": "CPU"}
})");

} // namespace

TEST_CASE("errors") {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const Terminal terminal(null.get(), null.get(), null.get());
  const Error error = fail(ErrorCode::queue_full, "model 'a/b' is busy").value();
  CHECK(render_error(terminal, Error(error).with_note("while loading")) ==
        "error[M1504]: model 'a/b' is busy\nnote: while loading\nhelp: repeat it after Retry-After\n");
  CHECK(error_json(error, {{"x", 1}}) ==
        Json::parse(
            R"({"error":{"code":"M1504","class":"queue_full","message":"model 'a/b' is busy",
                        "hint":"repeat it after Retry-After","retryable":true,"details":{"x":1}}})"));
}

TEST_CASE("the last line of a cold prediction") {
  CHECK(summary_line(k_metrics) ==
        "42 ms (cold start 22 ms: import 12 ms, build 10 ms) · cost unknown · for reference "
        "replicate CPU: 0.0001 USD");
  Json warm = {{"phases_ns", {{"predict", 5'000'000}}}, {"cold_start", false}};
  warm["cost"] = {{"amount", "0.01"}, {"currency", "EUR"}};
  CHECK(summary_line(warm) == "5.0 ms · cost 0.01 EUR");
  CHECK(summary_line(Json::object()).find("cold") == std::string::npos);
}

TEST_CASE("the phase table") {
  const std::string text = timings_table(k_metrics);
  CHECK(text.find("import               12 ms   28.6 %") != std::string::npos);
  CHECK(text.find("reference       replicate CPU: 0.0001 USD (not your bill)") != std::string::npos);
  CHECK(text.find("cost            unknown: no rate is set") != std::string::npos);
  CHECK(text.find("peak memory     1.0 MiB") != std::string::npos);
}

TEST_CASE("JSON for people keeps lists of numbers on a line") {
  Json value = {{"list", Json::array()}, {"name", std::string(100, 'x')}};
  for (int i = 0; i < 100; ++i)
    value["list"].push_back(i);
  const std::string text = pretty_json(value);
  CHECK(std::count(text.begin(), text.end(), '\n') == 3);
  CHECK(Json::parse(text) == value);
  CHECK(pretty_json(Json{{"a", 1}}) == "{\"a\":1}");
}

TEST_CASE("tables align by characters") {
  const Table table{.header = {"A", "SIZE"}, .rows = {{"é", "1"}, {"long", "20"}}, .right_aligned = {1}};
  CHECK(render_table(table) == "A     SIZE\né        1\nlong    20\n");
  const Table wide{.header = {"NAME", "SAYS"},
                   .rows = {{"keeps", "twelve wörds"}, {"a", {"1.0 KiB", "1024"}}, {"b", "t\ta\nb"}},
                   .shortened = {1}};
  CHECK(render_table(wide, 15).starts_with("NAME   SAYS\nkeeps  twelve …\na      1.0 KiB\n"));
  CHECK(render_table(wide, 2).starts_with("NAME   SAYS\nkeeps  twelve …\n")); // no less than 8
  CHECK(render_table(wide, 19) == render_table(wide));
  CHECK(render_plain(wide) == "keeps\ttwelve wörds\na\t1024\nb\tt a b\n");
  CHECK(count_words(1, "file") == "1 file");
  CHECK(count_words(2, "file") == "2 files");
}

TEST_CASE("text of models is no command of GitHub Actions") {
  CHECK(without_github_commands("::error::x\n  ::set-env name=a::b\nlog: ::c\nd ##[error]e\n\xC2\xA0::f") ==
        ": :error::x\n  : :set-env name=a::b\nlog: ::c\nd # #[error]e\n\xC2\xA0: :f");
  const Error error = fail(ErrorCode::queue_full, "50 % of 'a,b'\n::error::x").value();
  CHECK(github_error("mrun: x", error) ==
        "::error title=mrun%3A x M1504::50 %25 of 'a,b'%0A::error::x%0Ahelp: repeat it after Retry-After\n");
}

TEST_CASE("types in words") {
  CHECK(type_words({.type = ValueType::integer, .ge = 1, .le = 1000}) == "integer, 1 to 1000");
  CHECK(type_words({.type = ValueType::string, .min_length = 1}) == "string, at least 1 characters");
  CHECK(type_words({.type = ValueType::file, .accept = {"image/png"}, .max_bytes = 1024}) ==
        "file (image/png), at most 1.0 KiB");
  CHECK(type_words({.type = ValueType::array, .length = 384, .items = {{.type = ValueType::number}}}) ==
        "array of number, 384 items");
  CHECK(type_words({.type = ValueType::string, .choices = {"a", "b"}}) == "string, one of \"a\", \"b\"");
}

TEST_CASE("the last measured latency") {
  CHECK(latency_words(nullptr) == "not measured yet");
  CHECK(latency_words({{"warm", nullptr}, {"cold", {{"total_time", 0.05}}}}) == "50 ms with a cold start");
}

TEST_CASE("a model's name from its folder") {
  CHECK(default_model_name("/x/My Model_2/") == "local/my-model-2");
  CHECK(default_model_name("/x/...") == "local/model");
}

} // namespace mrun::cli
