#include "packager/store_verify.h"

#include <doctest/doctest.h>

#include "packager/tests/support_store.h"

using namespace mrun;
using namespace mrun::testing;

namespace {

struct Packed {
  Folder folder;
  Store store = Store::open(folder.path / "store").value();
  Digest version;
  Digest weights; // model.bin

  Packed() {
    write_small_model(folder);
    version = pack_directory(store, folder.path / "model", {}).value().digest;
    weights = store.load(version).value().find("model.bin")->segments[0].blob;
  }
  std::filesystem::path blob(const Digest& digest) const {
    return folder.path / "store/blobs/sha256" / digest.hex();
  }
  void spoil(const Digest& digest, std::string_view bytes) const {
    folder.write("store/blobs/sha256/" + digest.hex(), bytes);
  }
  VerifyReport verify(bool everything = false) const {
    return verify_versions(store, {version}, {.everything = everything, .on_progress = {}, .is_stopped = {}})
        .value();
  }
  // The one problem that there is.
  BlobProblem problem(bool everything = false) const {
    const VerifyReport report = verify(everything);
    REQUIRE(report.problems.size() == 1);
    return report.problems[0];
  }
};

} // namespace

TEST_CASE("a whole version is clean, and every byte of it was hashed") {
  const Packed packed;
  std::uint64_t last = 0;
  const VerifyOptions options{.everything = false,
                              .on_progress =
                                  [&](const VerifyProgress& progress) {
                                    CHECK(progress.done_bytes > last);
                                    last = progress.done_bytes;
                                    CHECK(progress.done_bytes <= progress.total_bytes);
                                  },
                              .is_stopped = {}};
  const VerifyReport report = verify_versions(packed.store, {packed.version}, options).value();
  CHECK(report.problems.empty());
  CHECK(report.blobs == 5); // manifest, config, three files
  std::uint64_t size_bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(packed.folder.path / "store/blobs/sha256"))
    size_bytes += entry.file_size();
  CHECK(report.hashed_bytes == size_bytes);
  CHECK(last == size_bytes);
}

TEST_CASE("what is damaged is named with its fault and the versions that need it") {
  const Packed packed;
  SUBCASE("content") {
    packed.spoil(packed.weights, std::string(5000, 'x'));
    CHECK(packed.problem().fault == BlobFault::content);
  }
  SUBCASE("size") {
    packed.spoil(packed.weights, "short");
    CHECK(packed.problem().words == "has 5 bytes, it must have 5000");
    CHECK(packed.problem().fault == BlobFault::size);
  }
  SUBCASE("missing") {
    std::filesystem::remove(packed.blob(packed.weights));
    CHECK(packed.problem().fault == BlobFault::missing);
  }
  SUBCASE("no regular file") {
    std::filesystem::remove(packed.blob(packed.weights));
    std::filesystem::create_directory(packed.blob(packed.weights));
    CHECK(packed.problem().fault == BlobFault::unreadable);
  }
  SUBCASE("a link, even to the right content") {
    std::filesystem::rename(packed.blob(packed.weights), packed.folder.path / "elsewhere");
    std::filesystem::create_symlink(packed.folder.path / "elsewhere", packed.blob(packed.weights));
    CHECK(packed.problem().fault == BlobFault::unreadable);
  }
  const BlobProblem problem = packed.problem();
  CHECK(problem.blob == packed.weights);
  CHECK(problem.versions == std::vector<Digest>{packed.version});
  CHECK(packed.verify().is_damaged(packed.version));
}

TEST_CASE("a damaged manifest is damage of the version") {
  const Packed packed;
  packed.spoil(packed.version, "{}");
  CHECK(packed.problem().blob == packed.version);
  CHECK(packed.problem().fault == BlobFault::content);
}

TEST_CASE("a version whose bytes are right and which is no bundle is invalid") {
  Packed packed;
  packed.version = put_blob(packed.folder, R"({"schemaVersion":2})");
  CHECK(packed.problem().blob == packed.version);
  CHECK(packed.problem().fault == BlobFault::invalid);
}

TEST_CASE("blobs that nobody needs are looked at when everything is") {
  const Packed packed;
  const Digest stray = put_blob(packed.folder, "stray");
  packed.spoil(stray, "other");
  CHECK(packed.verify().problems.empty());
  CHECK(packed.problem(true).blob == stray);
  CHECK(packed.problem(true).versions.empty());
}

TEST_CASE("a stop ends it") {
  const Packed packed;
  const auto stopped =
      verify_versions(packed.store, {packed.version},
                      {.everything = false, .on_progress = {}, .is_stopped = [] { return true; }});
  CHECK(stopped.error().code == ErrorCode::interrupted_by_user);
}

TEST_CASE("what is kept beside a version, and what other tools wrote, is looked at when everything is") {
  Packed packed;
  const Digest bundle = put_blob(packed.folder, "the signature");
  const Json manifest = {{"schemaVersion", 2},
                         {"config", descriptor("application/vnd.oci.empty.v1+json", bundle, 13)},
                         {"layers", Json::array({descriptor("text/plain", bundle, 13)})}};
  const Digest signature = put_blob(packed.folder, manifest.dump());
  bool attached = true;
  SUBCASE("a signature of the version") {
    const auto writer = packed.store.begin_write().value();
    REQUIRE(writer->attach(signature, packed.version, "application/vnd.example"));
  }
  SUBCASE("another tool's manifest") {
    attached = false;
    Json index = Json::parse(packed.folder.read("store/index.json"));
    index["manifests"].push_back(descriptor(k_manifest_media_type, signature, manifest.dump().size()));
    packed.folder.write("store/index.json", index.dump());
  }
  CHECK(packed.verify(true).problems.empty());
  std::filesystem::remove(packed.blob(bundle));
  CHECK(packed.verify().problems.empty());
  CHECK(packed.problem(true).blob == bundle);
  CHECK(packed.problem(true).fault == BlobFault::missing);
  CHECK(packed.problem(true).is_attached == attached);
  put_blob(packed.folder, "the signature");
  std::filesystem::remove(packed.blob(signature));
  CHECK(packed.problem(true).blob == signature);
  CHECK(packed.problem(true).versions == std::vector<Digest>{attached ? packed.version : signature});
}

TEST_CASE("indexes that name each other a thousand times are looked at once each") {
  Packed packed;
  Json inner = descriptor(k_manifest_media_type, packed.version,
                          std::filesystem::file_size(packed.blob(packed.version)));
  std::string text;
  for (int level = 0; level < 4; ++level) { // 1000^4 ways
    text = Json({{"schemaVersion", 2}, {"manifests", Json(1000, inner)}}).dump();
    inner = descriptor(k_index_media_type, put_blob(packed.folder, text), text.size());
  }
  Json index = Json::parse(packed.folder.read("store/index.json"));
  index["manifests"].push_back(inner);
  packed.folder.write("store/index.json", index.dump());
  CHECK(packed.verify(true).problems.empty());
}

TEST_CASE("only what is still damaged is removed") {
  Packed packed;
  packed.spoil(packed.weights, std::string(5000, 'x'));
  const Digest damaged = packed.problem().blob;
  put_blob(packed.folder, std::string(5000, 'w')); // a pull mends it between the look and the removal
  CHECK(packed.store.discard({damaged}).value().empty());
  CHECK(packed.verify().problems.empty());
  packed.spoil(packed.weights, std::string(5000, 'x'));
  CHECK(packed.store.discard({damaged, packed.version}).value() == std::vector<Digest>{damaged});
  CHECK_FALSE(std::filesystem::exists(packed.blob(damaged)));
  CHECK(std::filesystem::exists(packed.blob(packed.version)));
}
