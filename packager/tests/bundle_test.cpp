#include <doctest/doctest.h>

#include "packager/tests/support_store.h"

using namespace mrun;
using namespace mrun::testing;

namespace {

struct HandMade {
  Folder folder;
  Store store = Store::open(folder.path / "store").value();

  Json manifest_layer() const { return file_layer(folder, "mrun.yaml", k_small_manifest); }
  Result<Bundle> load(const Json& manifest) const {
    return store.load(put_blob(folder, canonical_json(manifest)));
  }
  Error refused(const Json& manifest) const {
    const Result<Bundle> bundle = load(manifest);
    REQUIRE_FALSE(bundle);
    CHECK(bundle.error().notes.size() == 1);
    return bundle.error();
  }
};

} // namespace

TEST_CASE("the bundle of a small model is the same bytes for ever") {
  Folder folder;
  write_small_model(folder);
  Store store = Store::open(folder.path / "store").value();
  const PackResult packed = pack_directory(store, folder.path / "model", {}).value();
  const std::string golden =
      read_file(std::string(MRUN_TEST_DATA) + "/small.manifest.json", 1 << 20, ErrorCode::io, ErrorCode::io)
          .value();
  CHECK(store.read_blob(packed.digest, 1 << 20).value() + "\n" == golden);
  CHECK(packed.digest.hex() == "57817b0dfbb9a85bcc3f617405f31e3a385d63ef37039a3389541e2fe1ae210c");
  const Json manifest = Json::parse(golden);
  const Digest config = Digest::parse(manifest["config"]["digest"].get<std::string>()).value();
  CHECK(
      store.read_blob(config, 1 << 20).value() ==
      R"({"config":{},"descriptor":{"description":"A small model","licenses":["MIT"],"name":"demo/small"},"modelfs":{"diffIds":[)"
      R"("sha256:87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7",)"
      R"("sha256:4d3ce487907df7c82875b924d841f0a3d576492e4d589b734abbd71d966151a8",)"
      R"("sha256:7a1512cd228a64c0d98b7f462b80eef3a3434536cf68e431b3c8eda3c1a060bd"],"type":"layers"}})");
}

TEST_CASE("layers have ModelPack's classes") {
  const auto type = [](const char* path, unsigned mode) {
    return layer_media_type(SafePath::parse(path).value(), mode);
  };
  CHECK(type("a/model.PT2", 0644) == "application/vnd.cncf.model.weight.v1.raw");
  CHECK(type("lib.so", 0644) == "application/vnd.cncf.model.code.v1.raw");
  CHECK(type("run", 0755) == "application/vnd.cncf.model.code.v1.raw");
  CHECK(type("README", 0644) == "application/vnd.cncf.model.doc.v1.raw");
  CHECK(type("mrun.yaml", 0644) == "application/vnd.cncf.model.weight.config.v1.raw");
}

TEST_CASE("a bundle made by hand is read, a cut file as the sum of its segments") {
  HandMade made;
  const Digest first = put_blob(made.folder, "0123456789");
  const Digest second = put_blob(made.folder, "abcdef");
  const Json recipe = {
      {"schema", "mrun.recipe/v1"},
      {"files", Json::array({{{"path", "big.safetensors"},
                              {"mode", 0644},
                              {"size", 11},
                              {"segments",
                               Json::array({{{"blob", first.text()}, {"offset", 2}, {"length", 5}},
                                            {{"blob", second.text()}, {"offset", 0}, {"length", 6}}})}}})}};
  const auto with = [&](const Json& text) {
    const std::string bytes = canonical_json(text);
    return hand_made(
        made.folder,
        Json::array({made.manifest_layer(), descriptor(k_segment_media_type, first, 10),
                     descriptor(k_segment_media_type, second, 6),
                     descriptor(k_recipe_media_type, put_blob(made.folder, bytes), bytes.size())}));
  };
  const Bundle bundle = made.load(with(recipe)).value();
  const BundleFile* file = bundle.find("big.safetensors");
  REQUIRE(file != nullptr);
  CHECK(file->segments.size() == 2);
  CHECK(file->segments[0].offset == 2);
  CHECK(file->segments[1].blob == second);
  CHECK(bundle.size_bytes == 11 + k_small_manifest.size());

  const auto spoiled = [&](const char* pointer, const Json& value) {
    Json bad = recipe;
    bad[Json::json_pointer(pointer)] = value;
    return made.refused(with(bad));
  };
  CHECK(spoiled("/schema", "mrun.recipe/v2").code == ErrorCode::bundle_invalid);
  CHECK(spoiled("/files/0/size", 12).message.find("11 bytes in its segments, and claims 12") !=
        std::string::npos);
  CHECK(spoiled("/files/0/segments/0/length", 9).message.find("past the end") != std::string::npos);
  CHECK(spoiled("/files/0/segments/0/offset", 9007199254740992).message.find("past the end") !=
        std::string::npos);
  CHECK(spoiled("/files/0/segments/0/length", -1).message.find("not a size") != std::string::npos);
  CHECK(spoiled("/files/0/segments/0/blob", std::string("sha256:") + std::string(64, '0'))
            .message.find("not a layer") != std::string::npos);
  Json many = Json::array(), huge = recipe;
  for (int i = 0; i < 5; ++i)
    many.push_back({{"blob", first.text()}, {"offset", 0}, {"length", 10}});
  huge["files"][0]["segments"] = many;
  huge["files"][0]["size"] = 50;
  CHECK(made.load(with(huge)).value().find("big.safetensors")->size ==
        50); // the same blob several times is fine
  CHECK(spoiled("/files/0/path", "../x").code == ErrorCode::path_refused);
  CHECK(spoiled("/files/0/path", "mrun.yaml").message.find("twice") != std::string::npos);
  CHECK(spoiled("/files/0/segments", 1).code == ErrorCode::bundle_invalid);
  CHECK(spoiled("/files", Json::object()).code == ErrorCode::bundle_invalid);
  CHECK(spoiled("/files/0", 1).code == ErrorCode::bundle_invalid);
}

TEST_CASE("a recipe of few bytes can't become a large tree") {
  std::string text = R"({"schema":"mrun.recipe/v1","files":[)";
  for (std::size_t i = 0; i < k_max_recipe_values; ++i)
    text += "0,";
  BundleLayout layout;
  const auto read = decode_recipe(text + "0]}", layout);
  REQUIRE_FALSE(read);
  CHECK(read.error().code == ErrorCode::bundle_invalid);
  CHECK(read.error().message.find("over 2500000 values") != std::string::npos);
}

TEST_CASE("a hostile manifest is refused before anything is done with it") {
  HandMade made;
  const Json good =
      hand_made(made.folder, Json::array({made.manifest_layer(), file_layer(made.folder, "a", "x")}));
  CHECK(made.load(good));
  const auto spoiled = [&](const char* pointer, const Json& value) {
    Json bad = good;
    bad[Json::json_pointer(pointer)] = value;
    return made.refused(bad);
  };
  const char* path = "/layers/1/annotations/org.cncf.model.filepath";
  for (const char* text :
       {"../a", "/etc/passwd", "a/../b", "a//b", "", ".", "a\\b", "a\nb", "C:/x", "a./b", "a "})
    CHECK(spoiled(path, text).code == ErrorCode::path_refused);
  CHECK(spoiled(path, "mrun.yaml").message == "path `mrun.yaml` is there twice");
  CHECK(spoiled(path, "MRUN.yaml").message.find("are the same on some file systems") != std::string::npos);
  CHECK(spoiled(path, "mrun.yaml/x").message.find("lies below a file") != std::string::npos);
  CHECK(spoiled(path, 5).code == ErrorCode::bundle_invalid);
  CHECK(spoiled("/layers/1/annotations", Json::object()).message.find("no file path") != std::string::npos);
  CHECK(spoiled("/layers/1/annotations/org.cncf.model.file.metadata+json", "{").code ==
        ErrorCode::bundle_invalid);
  CHECK(spoiled("/layers/1/size", 2).code == ErrorCode::store_corrupt);
  CHECK(spoiled("/layers/1/size", -1).code == ErrorCode::bundle_invalid);
  CHECK(spoiled("/layers/1/size", 1.5).code == ErrorCode::bundle_invalid);
  CHECK(spoiled("/layers/1/size", UINT64_MAX).code == ErrorCode::bundle_invalid);
  CHECK(spoiled("/layers/1/digest", good["layers"][0]["digest"]).message.find(" bytes") != std::string::npos);
  CHECK(spoiled("/layers/1/size", 1ULL << 53).message.find("more bytes than any disk holds") !=
        std::string::npos);
  CHECK(spoiled("/layers/1/digest", "sha256:../../../etc/passwd").code == ErrorCode::bundle_invalid);
  CHECK(spoiled("/layers/1/digest", "sha256:" + std::string(64, '1')).code == ErrorCode::store_corrupt);
  CHECK(spoiled("/layers/1/mediaType", "application/vnd.oci.image.layer.v1.tar+gzip")
            .message.find("does not read") != std::string::npos);
  CHECK(spoiled("/layers/1", 1).code == ErrorCode::bundle_invalid);
  CHECK(spoiled("/layers", Json::object()).code == ErrorCode::bundle_invalid);
  CHECK(spoiled("/manifests", Json::array()).message == "the OCI manifest has both layers and manifests");
  CHECK(spoiled("/schemaVersion", 1).code == ErrorCode::bundle_invalid);
  CHECK(spoiled("/mediaType", k_index_media_type).code == ErrorCode::bundle_invalid);
  CHECK(spoiled("/annotations/run.mrun.bundle.format", "3").hint == "use a newer mrun");
  CHECK(spoiled("/annotations", Json::object()).message.find("no mrun bundle") != std::string::npos);
  CHECK(spoiled("/config/size", 3).code == ErrorCode::bundle_invalid);
  CHECK(spoiled("/config/digest", "sha256:" + std::string(64, '1')).code == ErrorCode::store_corrupt);
  CHECK(made.refused(hand_made(made.folder, Json::array({file_layer(made.folder, "a", "x")}))).message ==
        "the bundle has no mrun.yaml");
  CHECK(made.refused(hand_made(made.folder, Json::array({file_layer(made.folder, "mrun.yaml", "mrun: 9")})))
            .code == ErrorCode::manifest_version);
  const std::string sharp = "stra\xc3\x9f"
                            "e",
                    composed = "\xc3\xa4", decomposed = "a\xcc\x88";
  CHECK(collision_key(composed) == collision_key(decomposed));
  CHECK(collision_key(sharp) == collision_key("STRASSE"));
}

TEST_CASE("a manifest over 4 MiB, broken JSON and a manifest that is none are refused") {
  HandMade made;
  const std::string large = "{\"x\":\"" + std::string(5 << 20, 'x') + "\"}";
  CHECK(made.store.load(put_blob(made.folder, large)).error().code == ErrorCode::bundle_invalid);
  for (const char* text : {"", "[]", "{", "{\"a\":1,\"a\":2}", "\xff"})
    CHECK(made.store.load(put_blob(made.folder, text)).error().code == ErrorCode::bundle_invalid);
  CHECK(made.store.load(Digest()).error().code == ErrorCode::model_not_found);
}
