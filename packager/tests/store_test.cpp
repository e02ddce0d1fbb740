#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "packager/remote_name.h"
#include "packager/store_writer.h"
#include "packager/tests/support_store.h"

using namespace mrun;
using namespace mrun::testing;
namespace fs = std::filesystem;

namespace {

struct Packed {
  Packed() {
    write_small_model(folder);
    digest = pack_directory(store, folder.path / "model", {}).value().digest;
  }
  Digest change_and_pack() {
    folder.write("model/a.txt", "changed");
    return pack_directory(store, folder.path / "model", {}).value().digest;
  }
  std::string blob_path(const Digest& blob) const { return "store/blobs/sha256/" + blob.hex(); }

  Folder folder;
  ManualClock clock;
  Store store = Store::open(folder.path / "store", false, real_file_system(), clock).value();
  Digest digest;
};

} // namespace

TEST_CASE("tags move, are listed in order and taken away; the old version stays until gc") {
  Packed packed;
  Store& store = packed.store;
  CHECK(store.tag(reference("demo/other:v1"), packed.digest));
  CHECK(store.tag(reference("ghcr.io/acme/x"), packed.digest));
  const Digest second = packed.change_and_pack();
  CHECK(second != packed.digest);
  const std::vector<TagEntry> tags = store.list().value();
  REQUIRE(tags.size() == 3);
  CHECK(tags[0].model == "demo/other");
  CHECK(tags[0].tag == "v1");
  CHECK(tags[0].created_ns == packed.clock.wall_ns());
  CHECK(tags[1].digest == second);
  CHECK(tags[2].model == "ghcr.io/acme/x");
  CHECK(store.resolve(reference("demo/other:v1")).value() == packed.digest);
  CHECK(store.resolve(reference("demo/small@" + second.text())).value() == second);
  CHECK(store.resolve(reference("demo/small:" + second.hex())).value() == second);
  CHECK(store.untag(reference("demo/other:v1")));
  CHECK(store.untag(reference("ghcr.io/acme/x")));
  CHECK(store.resolve(reference(packed.digest.hex().substr(0, 8))).value() == packed.digest);
  CHECK(store.collect_garbage().value().blobs.size() == 3); // a.txt, config, manifest
  CHECK(store.resolve(reference(packed.digest.hex().substr(0, 8))).error().code ==
        ErrorCode::model_not_found);
  CHECK(store.resolve(reference(packed.digest.hex())).error().code == ErrorCode::model_not_found);
  CHECK(check_whole(packed.folder.path / "store") == 1);
}

TEST_CASE("what is not there is said with the nearest name") {
  Packed packed;
  Store& store = packed.store;
  const auto hint = [&](const char* text) { return store.resolve(reference(text)).error().hint; };
  CHECK(hint("demo/smal") == "the nearest is `demo/small`");
  CHECK(hint("small") == "the nearest is `demo/small`");
  CHECK(hint("demo/small:lastet") == "demo/small has the tag `latest`");
  CHECK(store.resolve(reference("x/y")).error().code == ErrorCode::model_not_found);
  CHECK(store.untag(reference("x/y")).error().code == ErrorCode::model_not_found);
  CHECK(store.tag(reference("x/y"), Digest()).error().code == ErrorCode::model_not_found);
  CHECK(store.tag(reference("deadbeef"), packed.digest).error().code == ErrorCode::reference_invalid);
  CHECK(store.untag(reference("demo/small@" + packed.digest.text())).error().code ==
        ErrorCode::model_not_found); // it has a tag, and no place of its own in `ls`
}

TEST_CASE("a model that has no tag any more is found by the digest of the hint") {
  Packed packed;
  Store& store = packed.store;
  PackOptions options;
  options.untagged = true;
  const PackResult older = pack_directory(store, packed.folder.path / "model", options).value();
  CHECK(store.untag(reference("demo/small")));
  packed.clock.advance_ns(1);
  packed.folder.write("model/a.txt", "younger");
  const PackResult younger = pack_directory(store, packed.folder.path / "model", options).value();
  REQUIRE(younger.digest != older.digest);
  const Error error = store.resolve(reference("demo/small")).error();
  CHECK(error.code == ErrorCode::model_not_found);
  const std::string name = "demo/small@sha256:" + younger.digest.short_hex();
  CHECK(error.hint == "it has no tag: name its digest, " + name);
  CHECK(store.resolve(reference(name)).value() == younger.digest);
}

TEST_CASE("a prefix that fits two versions is ambiguous") {
  Packed packed;
  StoreIndex index;
  for (const char last : {'1', '2'})
    index.put({"a/b", std::string("t") + last,
               Digest::parse_hex("aaaaaaaa" + std::string(55, '0') + last).value(), 1, 1, 1});
  packed.folder.write("store/index.json", index.encode());
  CHECK(packed.store.resolve(reference("aaaaaaaa")).error().code == ErrorCode::digest_ambiguous);
  CHECK(packed.store.resolve(reference("aaaaaaaa" + std::string(55, '0'))).error().code ==
        ErrorCode::digest_ambiguous);
}

TEST_CASE("an untagged pack lives as long as its lease") {
  Packed packed;
  packed.folder.write("model/a.txt", "on the fly");
  PackOptions options;
  options.untagged = true;
  const PackResult fly = pack_directory(packed.store, packed.folder.path / "model", options).value();
  CHECK(fly.reference.model().empty());
  std::vector<TagEntry> tags = packed.store.list().value();
  REQUIRE(tags.size() == 2);
  CHECK(tags[0].tag.empty());
  CHECK(tags[0].model == "demo/small");
  CHECK(packed.store.collect_garbage().value().blobs.empty());
  packed.clock.advance_ns(std::chrono::nanoseconds(k_lease_lifetime).count() - 1);
  CHECK(packed.store.collect_garbage().value().blobs.empty());
  CHECK(packed.store.lease(fly.digest, std::chrono::seconds(1))); // would end sooner: the longer one stays
  packed.clock.advance_ns(1);
  CHECK(packed.store.collect_garbage().value().blobs.empty());
  packed.clock.advance_ns(1'000'000'000);
  CHECK(packed.store.plan_gc().value().blobs.size() == 3);
  CHECK(packed.store.collect_garbage().value().blobs.size() == 3);
  CHECK(packed.store.list().value().size() == 1);
  CHECK(count_files(packed.folder.path / "store/leases") == 0);
  CHECK(packed.store.lease(fly.digest, std::chrono::seconds(1)).error().code == ErrorCode::model_not_found);
}

TEST_CASE("a version that is kept without a tag stays until it is removed, or has a tag") {
  Packed packed;
  const auto keep = [&](const char* name, const Digest& version, const Provenance& from) {
    const auto writer = packed.store.begin_write().value();
    std::vector<Store::Writer::Naming> names;
    names.push_back({reference(name), version, facts_of(packed.store.load(version).value()), from});
    CHECK(writer->name_all(names));
  };
  const auto names = [&] {
    std::string all;
    const std::vector<TagEntry> entries = packed.store.list().value();
    for (const TagEntry& entry : shown_names(entries))
      all += (all.empty() ? "" : " ") + entry.name();
    return all;
  };
  const std::string kept = "demo/small@" + packed.digest.text(), other = "me/other@" + packed.digest.text();
  keep("demo/small", packed.digest, {"h.dev/demo/small", "sha256:" + std::string(64, '1')});
  keep("demo/small", packed.digest, {"a file", ""}); // what is known of it stays
  CHECK(names() == "demo/small:latest");
  const TagEntry entry = packed.store.list().value()[0];
  CHECK(entry.origin == "h.dev/demo/small");
  CHECK(find_version(packed.store, reference("demo/small@sha256:" + std::string(64, '1'))).value() ==
        packed.digest);

  // Neither a tag that moves on nor a lease's end takes it away; another model's name is one of its own.
  PackOptions options;
  options.untagged = true;
  CHECK(pack_directory(packed.store, packed.folder.path / "model", options).value().digest == packed.digest);
  packed.change_and_pack();
  CHECK(names() == kept + " demo/small:latest");
  CHECK(packed.store.untag(reference("demo/small")));
  keep("me/other", packed.digest, {});
  packed.clock.advance_ns(std::chrono::nanoseconds(k_lease_lifetime).count() + 1);
  CHECK(packed.store.collect_garbage());
  CHECK(names() == kept + " " + other);
  CHECK(packed.store.load(packed.digest));

  // A tag of the model is shown in its place, and knows what is known of it; both go with the last tag.
  CHECK(packed.store.tag(reference("demo/small:v1"), packed.digest));
  CHECK(packed.store.tag(reference("demo/small:v2"), packed.digest));
  CHECK(names() == "demo/small:v1 demo/small:v2 " + other);
  CHECK(packed.store.list().value()[1].origin == "h.dev/demo/small");
  CHECK(packed.store.untag(reference("demo/small:v2")));
  CHECK(packed.store.list().value().size() == 3);
  CHECK(packed.store.untag(reference("demo/small:v1")));
  CHECK(packed.store.untag(reference(kept)).error().code == ErrorCode::model_not_found);
  CHECK(packed.store.collect_garbage().value().blobs.empty());
  CHECK(packed.store.untag(reference(other)));
  CHECK_FALSE(packed.store.collect_garbage().value().blobs.empty());
  CHECK(names().empty());
}

TEST_CASE("damage is noticed, named, and mended by packing again") {
  Packed packed;
  const Bundle bundle = packed.store.load(packed.digest).value();
  const std::string small = packed.blob_path(bundle.find("mrun.yaml")->segments[0].blob);
  std::string bytes = packed.folder.read(small);
  bytes[10] ^= 1;
  packed.folder.write(small, bytes);
  CHECK(packed.store.load(packed.digest).error().code == ErrorCode::store_corrupt);
  CHECK(pack_directory(packed.store, packed.folder.path / "model", {}));
  CHECK(packed.store.load(packed.digest));
  const std::string large = packed.blob_path(bundle.find("model.bin")->segments[0].blob);
  packed.folder.write(large, "short");
  CHECK(packed.store.load(packed.digest).error().message.find("has 5 bytes, it must have 5000") !=
        std::string::npos);
  CHECK(pack_directory(packed.store, packed.folder.path / "model", {}));
  CHECK(packed.store.load(packed.digest));
  fs::remove(packed.folder.path / large);
  CHECK(packed.store.load(packed.digest).error().code == ErrorCode::store_corrupt);
  fs::create_symlink("/etc/passwd", packed.folder.path / large);
  CHECK(packed.store.load(packed.digest).error().code == ErrorCode::store_corrupt);
  CHECK(pack_directory(packed.store, packed.folder.path / "model", {}));
  CHECK(check_whole(packed.folder.path / "store") == 1);
  fs::remove(packed.folder.path / packed.blob_path(packed.digest));
  CHECK(packed.store.load(packed.digest).error().code == ErrorCode::model_not_found);
  CHECK(packed.store.collect_garbage().error().code ==
        ErrorCode::store_corrupt); // nothing is removed on a guess
}

TEST_CASE("a broken index says what to do, a foreign entry is kept as it is") {
  Packed packed;
  const std::string good = packed.folder.read("store/index.json");
  for (const char* text : {"", "{", "[]", "{}", "{\"manifests\":{}}", "{\"manifests\":[1]}",
                           "{\"manifests\":[{\"digest\":\"sha256:../x\",\"size\":1}]}",
                           "{\"manifests\":[{\"digest\":\"x\"}]}"}) {
    packed.folder.write("store/index.json", text);
    CHECK(packed.store.list().error().code == ErrorCode::store_corrupt);
    CHECK(packed.store.list().error().hint.find("move index.json away") != std::string::npos);
    CHECK(packed.store.tag(reference("a/b"), packed.digest).error().code == ErrorCode::store_corrupt);
  }
  Json index = Json::parse(good);
  const Digest foreign = put_blob(packed.folder, R"({"layers":[],"schemaVersion":2})");
  const Json entry = {{"mediaType", "x/y"},
                      {"digest", foreign.text()},
                      {"size", 31},
                      {"annotations", {{"org.opencontainers.image.ref.name", "Some Name"}}},
                      {"platform", {{"os", "linux"}}}};
  index["manifests"].push_back(entry);
  packed.folder.write("store/index.json", index.dump());
  CHECK(packed.store.list().value().size() == 1);
  CHECK(packed.store.tag(reference("a/b"), packed.digest));
  CHECK(packed.store.collect_garbage().value().blobs.empty());
  CHECK(packed.folder.read("store/index.json").find(canonical_json(entry)) != std::string::npos);
}

TEST_CASE("what is attached to a version is kept as long as the version, and is no version") {
  Packed packed;
  const std::string layer = "a signature";
  const Json manifest = {{"schemaVersion", 2},
                         {"layers", Json::array({descriptor("x/y", Sha256::of(layer), layer.size())})},
                         {"subject", descriptor(k_manifest_media_type, packed.digest, 1)}};
  const std::string text = canonical_json(manifest);
  {
    const auto writer = packed.store.begin_write().value();
    CHECK(writer->attach(Sha256::of(text), packed.digest, "x/y").error().code == ErrorCode::model_not_found);
    REQUIRE(writer->add_bytes(layer));
    REQUIRE(writer->add_bytes(text));
    REQUIRE(writer->attach(Sha256::of(text), packed.digest, "x/y"));
    REQUIRE(writer->attach(Sha256::of(text), packed.digest, "x/y")); // once
  }
  CHECK(packed.store.attached(packed.digest).value() == std::vector<Digest>{Sha256::of(text)});
  CHECK(packed.store.attached(Sha256::of(text)).value().empty());
  CHECK(packed.store.list().value().size() == 1);
  CHECK(packed.store.collect_garbage().value().blobs.empty());
  const Json index = Json::parse(packed.folder.read("store/index.json"));
  REQUIRE(index["manifests"].size() == 2);
  CHECK(index["manifests"][0]["artifactType"] == "x/y");
  CHECK(index["manifests"][0]["annotations"]["run.mrun.subject"] == packed.digest.text());
  CHECK(index["manifests"][0]["size"] == text.size());
  const std::string prefix = Sha256::of(text).hex().substr(0, 12);
  CHECK(packed.store.resolve(reference(prefix)).error().code == ErrorCode::model_not_found);
  SUBCASE("the version goes, and it goes along") {
    REQUIRE(packed.store.untag(reference("demo/small")));
    CHECK(packed.store.collect_garbage());
    CHECK(packed.store.attached(packed.digest).value().empty());
    CHECK(count_files(packed.folder.path / "store/blobs/sha256") == 0);
  }
  SUBCASE("damaged it is dropped, and nothing else") {
    fs::remove(packed.folder.path / packed.blob_path(Sha256::of(text)));
    CHECK(packed.store.collect_garbage().value().blobs.size() == 1);
    CHECK(packed.store.attached(packed.digest).value().empty());
    CHECK(check_whole(packed.folder.path / "store") == 1);
  }
}

TEST_CASE("opening says what is wrong with a folder") {
  Folder folder;
  CHECK(Store::open(folder.path / "none", true).error().code == ErrorCode::model_not_found);
  folder.write("dir/file", "x");
  CHECK(Store::open(folder.path / "dir", true).error().code == ErrorCode::store_corrupt);
  folder.write("bad/oci-layout", R"({"imageLayoutVersion":"9"})");
  CHECK(Store::open(folder.path / "bad").error().code == ErrorCode::store_corrupt);
  folder.write("file", "x");
  CHECK_FALSE(Store::open(folder.path / "file"));
  CHECK_FALSE(Store::open(folder.path / "file/below"));
}

TEST_CASE("a store opened for reading can't be written, a read-only file system is named") {
  Packed packed;
  Store reader = Store::open(packed.folder.path / "store", true).value();
  CHECK(reader.load(packed.digest));
  CHECK(reader.tag(reference("a/b"), packed.digest).error().code == ErrorCode::store_read_only);
  CHECK(reader.untag(reference("demo/small")).error().code == ErrorCode::store_read_only);
  CHECK(reader.collect_garbage().error().code == ErrorCode::store_read_only);
  CHECK(pack_directory(reader, packed.folder.path / "model", {}).error().code == ErrorCode::store_read_only);
}

TEST_CASE("a writer waits for the lock only so long") {
  Packed packed;
  const UniqueFd lock(::open((packed.folder.path / "store/lock").c_str(), O_RDWR | O_CLOEXEC));
  REQUIRE(::flock(lock.get(), LOCK_SH) == 0);
  const Result<FileLock> taken =
      FileLock::take(real_file_system(),
                     UniqueFd(::open((packed.folder.path / "store").c_str(), O_RDONLY | O_DIRECTORY)).get(),
                     "lock", FileLock::Kind::exclusive, std::chrono::milliseconds(1));
  CHECK(taken.error().code == ErrorCode::store_busy);
  CHECK(packed.store.begin_write());
}

TEST_CASE("a blob that arrives in pieces is published only with the right content") {
  Packed packed;
  const std::unique_ptr<Store::Writer> writer = packed.store.begin_write().value();
  {
    Store::Writer::Incoming incoming = writer->begin_blob().value();
    CHECK(incoming.write("hel"));
    CHECK(incoming.write("lo"));
    CHECK(incoming.finish(Digest()).error().code == ErrorCode::store_corrupt);
  }
  CHECK(count_files(packed.folder.path / "store/tmp") == 0);
  Store::Writer::Incoming incoming = writer->begin_blob().value();
  CHECK(incoming.write("hello"));
  const AddedBlob added = incoming.finish(Sha256::of("hello")).value();
  CHECK(added.is_new);
  CHECK(packed.store.read_blob(added.digest, 10).value() == "hello");
  CHECK(packed.store.read_blob(added.digest, 4).error().code == ErrorCode::bundle_invalid);
  CHECK_FALSE(writer->add_bytes("hello").value().is_new);
  {
    const Store::Writer::Incoming dropped = writer->begin_blob().value();
    CHECK(count_files(packed.folder.path / "store/tmp") == 1);
  }
  CHECK(count_files(packed.folder.path / "store/tmp") == 0);
}

TEST_CASE("two stores and many threads write tags side by side and none is lost") {
  Packed packed;
  Store other = Store::open(packed.folder.path / "store").value();
  const auto add = [&](Store& store, const std::string& prefix) {
    for (int i = 0; i < 20; ++i)
      CHECK(store.tag(reference(prefix + std::to_string(i)), packed.digest));
  };
  std::thread a([&] { add(packed.store, "a/x"); });
  std::thread b([&] { add(other, "b/x"); });
  std::thread c([&] { add(other, "c/x"); });
  a.join();
  b.join();
  c.join();
  CHECK(packed.store.list().value().size() == 61);
}

TEST_CASE("what a killed writer left goes with the next write, unless somebody writes now") {
  Packed packed;
  const std::string left = "store/tmp/1-1-left";
  packed.folder.write(left, std::string(1000, 'x'));
  CHECK(packed.store.plan_gc().value().leftovers == 1);
  CHECK(packed.store.plan_gc().value().size_bytes == 1000);
  {
    const auto writer = packed.store.begin_write().value(); // alone: the leftover goes
    CHECK(packed.store.plan_gc().value().leftovers == 0);
    packed.folder.write(left, "x"); // as of the writer that is at it
    const auto other = packed.store.begin_write().value();
    CHECK(packed.store.plan_gc().value().leftovers == 1);
  }
}

TEST_CASE("what an interrupted pull has of a blob stays for a day, or until the blob is there") {
  Packed packed;
  const Digest digest = Sha256::of("blob");
  const std::string partial = "store/tmp/pull-" + digest.hex();
  packed.folder.write(partial, "bl");
  CHECK(packed.store.collect_garbage().value().leftovers == 0);
  put_blob(packed.folder, "blob"); // by another pull, or by pack
  const GcPlan collected = packed.store.collect_garbage().value();
  CHECK(collected.leftovers == 1);
  CHECK(count_files(packed.folder.path / "store/tmp") == 0);

  packed.folder.write(partial, "bl");
  const std::int64_t now_s = packed.clock.wall_ns() / 1'000'000'000;
  const auto age = [&](std::int64_t age_s) {
    const timespec then{now_s - age_s, 0};
    const timespec times[] = {then, then};
    REQUIRE(::utimensat(AT_FDCWD, (packed.folder.path / partial).c_str(), times, 0) == 0);
  };
  age(23 * 3600);
  CHECK(packed.store.collect_garbage().value().leftovers == 0);
  age(25 * 3600);
  CHECK(packed.store.collect_garbage().value().leftovers == 1);
}
