#include <doctest/doctest.h>

#include "packager/lock_file.h"
#include "packager/tests/support.h"

using namespace mrun;
using namespace mrun::testing;

namespace {

const std::string k_hex(64, 'a');

Reference parsed(std::string_view text) {
  return Reference::parse(text).value();
}

Error refused(const std::string& text) {
  const auto lock = parse_lock(text, "mrun.lock");
  REQUIRE_FALSE(lock);
  CHECK(lock.error().code == ErrorCode::lock_invalid);
  return lock.error();
}

} // namespace

TEST_CASE("a lock file is read as it was written, sorted, a line a value") {
  LockFile lock;
  lock.models[lock_key(parsed("ghcr.io/acme/b"))] = {Digest::parse_hex(k_hex).value(), 7};
  lock.models[lock_key(parsed("demo/a:v2"))] = {Digest::parse_hex(k_hex).value(), 8};
  const std::string text = encode_lock(lock);
  CHECK(text ==
        "{\n  \"models\": {\n    \"demo/a:v2\": {\n      \"digest\": \"sha256:" + k_hex +
            "\",\n      \"size_bytes\": 8\n    },\n    \"ghcr.io/acme/b:latest\": {\n      \"digest\": "
            "\"sha256:" +
            k_hex + "\",\n      \"size_bytes\": 7\n    }\n  },\n  \"schema\": \"mrun.lock/v1\"\n}\n");
  const LockFile again = parse_lock(text, "mrun.lock").value();
  CHECK(encode_lock(again) == text);
  REQUIRE(again.find(parsed("ghcr.io/acme/b:latest")) != nullptr);
  CHECK(again.find(parsed("ghcr.io/acme/b"))->size_bytes == 7);
  CHECK(again.find(parsed("ghcr.io/acme/b:v2")) == nullptr);
  CHECK(again.find(parsed("acme/b")) == nullptr);
}

TEST_CASE("what is no lock file is refused") {
  const auto with = [](const std::string& models) {
    return R"({"schema":"mrun.lock/v1","models":)" + models + "}";
  };
  CHECK(parse_lock(with("{}"), "mrun.lock"));
  const std::string digest = R"("digest":"sha256:)" + k_hex + "\"";
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string(R"({"models":{}})"),
        std::string(R"({"schema":"mrun.lock/v2","models":{}})"), with("[]"), with(R"({"a/b:c":1})"),
        with("{\"a/b:c\":{" + digest + "}}"), with("{\"a/b\":{" + digest + ",\"size_bytes\":1}}"),
        with("{\"a/b:c\":{" + digest + ",\"size_bytes\":-1}}"),
        with("{\"a/b:c\":{" + digest + ",\"size_bytes\":1,\"x\":1}}"),
        with(R"({"a/b:c":{"digest":"sha256:12","size_bytes":1}})"),
        with("{\"../b:c\":{" + digest + ",\"size_bytes\":1}}")}) {
    CAPTURE(text);
    CHECK(refused(text).message.starts_with("mrun.lock"));
  }
}

TEST_CASE("the nearest mrun.lock above counts") {
  Folder folder;
  std::filesystem::create_directories(folder.path / "a/b");
  CHECK_FALSE(find_lock_file(folder.path / "a/b"));
  folder.write("mrun.lock", "{}");
  CHECK(find_lock_file(folder.path / "a/b").value() == folder.path / "mrun.lock");
  folder.write("a/mrun.lock", "{}");
  CHECK(find_lock_file(folder.path / "a/b").value() == folder.path / "a/mrun.lock");
  LockFile lock;
  lock.models["a/b:c"] = {Digest::parse_hex(k_hex).value(), 1};
  CHECK(write_lock_file(folder.path / "mrun.lock", lock));
  CHECK(read_lock_file(folder.path / "mrun.lock").value().models.size() == 1);
  CHECK_FALSE(write_lock_file(folder.path / "none/mrun.lock", lock));
}
