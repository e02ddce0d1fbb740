#include <doctest/doctest.h>

#include "packager/reference.h"
#include "packager/remote_name.h"

using namespace mrun;

namespace {

const std::string k_hex(64, 'a');

std::string canonical(std::string_view text) {
  const Result<Reference> reference = Reference::parse(text);
  return reference ? reference->text() : "refused: " + reference.error().message;
}

} // namespace

TEST_CASE("every form of a reference has one canonical text") {
  CHECK(canonical("demo/minilm") == "demo/minilm:latest");
  CHECK(canonical("minilm") == "local/minilm:latest");
  CHECK(canonical("minilm:v1") == "local/minilm:v1");
  CHECK(canonical("demo/minilm:V1.2_x-y") == "demo/minilm:V1.2_x-y");
  CHECK(canonical("ghcr.io/acme/llm:v1") == "ghcr.io/acme/llm:v1");
  CHECK(canonical("localhost/acme/llm") == "localhost/acme/llm:latest");
  CHECK(canonical("localhost:5000/a/b/c:t") == "localhost:5000/a/b/c:t");
  CHECK(canonical("[::1]:5000/acme/llm") == "[::1]:5000/acme/llm:latest");
  CHECK(canonical("demo/minilm@sha256:" + k_hex) == "demo/minilm@sha256:" + k_hex);
  CHECK(canonical("demo/minilm:v1@sha256:" + k_hex) == "demo/minilm@sha256:" + k_hex);
  CHECK(canonical("demo/minilm:" + k_hex) == "demo/minilm@sha256:" + k_hex);
  CHECK(canonical("demo/minilm@abcdef12") == "demo/minilm@sha256:abcdef12");
  CHECK(canonical(k_hex) == "sha256:" + k_hex);
  CHECK(canonical("sha256:" + k_hex) == "sha256:" + k_hex);
  CHECK(canonical("deadbeef") == "sha256:deadbeef");
  CHECK(canonical("a__b/c--d.e_f") == "a__b/c--d.e_f:latest");
}

TEST_CASE("a reference that is none says what is wrong") {
  const char* refused[] = {"",
                           "/abs",
                           "./dir",
                           "~/x",
                           "a/b/c",
                           "demo/",
                           "/",
                           "demo//x",
                           "Demo/x",
                           "demo/x:",
                           "demo/x:-t",
                           "demo/x@sha256:zz",
                           "demo/x@sha256:ABCDEF0123",
                           "demo/x y",
                           "demo/-x",
                           "demo/x-",
                           "demo/x___y",
                           "demo/x._y",
                           "host.io:port/a/b",
                           "demo/x\n",
                           "demo/\xc3\xa4",
                           "a:b:c",
                           "ho_st.io/a/b",
                           "[zz]/a/b",
                           "demo/x@",
                           "demo/x:a/b"};
  for (const char* text : refused) {
    CAPTURE(text);
    const Result<Reference> reference = Reference::parse(text);
    REQUIRE_FALSE(reference);
    CHECK(reference.error().code == ErrorCode::reference_invalid);
  }
  CHECK(Reference::parse("demo/x:" + std::string(64, 'A')).error().message.find("digest") !=
        std::string::npos);
  CHECK(Reference::parse("Demo/X").error().hint == "write it as demo/x");
  CHECK_FALSE(Reference::parse("demo/" + std::string(2000, 'x')));
  CHECK_FALSE(Reference::parse("demo/" + std::string(251, 'x')));
  CHECK_FALSE(Reference::parse("demo/x:" + std::string(129, 't')));
}

TEST_CASE("a directory begins with a dot, a slash or a tilde") {
  CHECK(is_directory_argument("."));
  CHECK(is_directory_argument("../x"));
  CHECK(is_directory_argument("/x"));
  CHECK(is_directory_argument("~/x"));
  CHECK_FALSE(is_directory_argument("x"));
  CHECK_FALSE(is_directory_argument(""));
}

TEST_CASE("a remote model gets a name here that reads as none elsewhere") {
  const auto local = [](std::string_view text) {
    return local_reference(Reference::parse(text).value()).text();
  };
  CHECK(local("ghcr.io/acme/sdxl:v1") == "acme/sdxl:v1");
  CHECK(local("ghcr.io/a/b/c/sdxl") == "c/sdxl:latest");
  CHECK(local("localhost:5000/sdxl") == "local/sdxl:latest");
  CHECK(local("ghcr.io/my.org/sdxl") == "my-org/sdxl:latest");
  CHECK(local("ghcr.io/localhost/sdxl") == "local/sdxl:latest");
}

TEST_CASE("a manifest's name is owner/name and nothing else") {
  CHECK(model_name_problem("demo/minilm").empty());
  for (const char* name : {"minilm", "a/b/c", "ghcr.io/x", "A/b", "a/b:t", "", "localhost/x"})
    CHECK_FALSE(model_name_problem(name).empty());
}
