// Manifests of other tools: what is taken, under which names, and what is refused.
#include <doctest/doctest.h>

#include "packager/interop/foreign_artifact.h"
#include "packager/tests/support_store.h"

using namespace mrun;
using namespace mrun::testing;

namespace {

constexpr std::string_view k_docker_config = "application/vnd.docker.ai.model.config.v0.1+json";

Json layer_of(std::string_view media_type, Json annotations = nullptr) {
  Json layer = descriptor(media_type, Sha256::of("x"), 1);
  if (!annotations.is_null()) layer["annotations"] = std::move(annotations);
  return layer;
}

Json artifact(Json layers, std::string_view config_type = k_config_media_type) {
  return {{"schemaVersion", 2},
          {"config", descriptor(config_type, Sha256::of("{}"), 2)},
          {"layers", std::move(layers)}};
}

ForeignArtifact read(const Json& manifest) {
  const Result<ForeignArtifact> read = decode_foreign(manifest.dump());
  INFO((read ? std::string() : read.error().message));
  REQUIRE(read);
  return *read;
}

void refused(const Json& manifest, ErrorCode code, std::string_view words) {
  const Result<ForeignArtifact> read = decode_foreign(manifest.dump());
  REQUIRE_FALSE(read);
  CHECK(read.error().code == code);
  CHECK_MESSAGE(read.error().message.find(words) != std::string::npos, read.error().message);
}

} // namespace

TEST_CASE("foreign: every packing and class of ModelPack, old names too") {
  for (const std::string name : {"weight", "weight.config", "doc", "code", "dataset"}) {
    CHECK(read(artifact({layer_of("application/vnd.cncf.model." + name + ".v1.tar")})).layers[0].packing ==
          LayerPacking::tar);
    CHECK(
        read(artifact({layer_of("application/vnd.cncf.model." + name + ".v1.tar+gzip")})).layers[0].packing ==
        LayerPacking::tar_gzip);
    CHECK(
        read(artifact({layer_of("application/vnd.cnai.model." + name + ".v1.tar+zstd")})).layers[0].packing ==
        LayerPacking::tar_zstd);
  }
  const ForeignArtifact raw = read(artifact(
      {layer_of("application/vnd.cncf.model.weight.v1.raw",
                {{"org.cncf.model.filepath", "sub/w.safetensors"},
                 {"org.cncf.model.file.metadata+json",
                  R"({"name":"w","mode":493,"mtime":"2025-01-01T00:00:00Z"})"}}),
       layer_of("application/vnd.cnai.model.doc.v1.raw", {{"org.cnai.model.filepath", "README.md"}})}));
  CHECK(raw.kind == "a ModelPack artifact");
  CHECK(raw.layers[0].path->text() == "sub/w.safetensors");
  CHECK(raw.layers[0].mode == 0755);
  CHECK(raw.layers[1].path->text() == "README.md");
  CHECK(raw.layers[1].mode == 0644);
}

TEST_CASE("foreign: Docker's layers get the names that its runner gives them") {
  const ForeignArtifact one = read(
      artifact({layer_of("application/vnd.docker.ai.gguf.v3"), layer_of("application/vnd.docker.ai.license"),
                layer_of("application/vnd.docker.ai.license"), layer_of("application/vnd.docker.ai.dir.tar")},
               k_docker_config));
  CHECK(one.layers[0].path->text() == "model.gguf");
  CHECK(one.layers[1].path->text() == "LICENSE");
  CHECK(one.layers[2].path->text() == "LICENSE-2");
  CHECK(one.layers[3].packing == LayerPacking::tar);
  const ForeignArtifact named = read(artifact(
      {layer_of("application/vnd.docker.ai.model.file", {{"org.cncf.model.filepath", "config.json"}})},
      "application/vnd.docker.ai.model.config.v0.2+json"));
  CHECK(named.layers[0].path->text() == "config.json");
  CHECK(read(artifact({layer_of("application/vnd.kitops.modelkit.model.v1.tar")},
                      "application/vnd.kitops.modelkit.config.v1+json"))
            .kind == "a KitOps ModelKit");
}

TEST_CASE("foreign: hostile manifests") {
  const std::string weight = "application/vnd.cncf.model.weight.v1.raw";
  for (const char* path : {"../../etc/passwd", "/etc/passwd", "a/../b", "a\\b", "", "a\nb"})
    refused(artifact({layer_of(weight, {{"org.cncf.model.filepath", path}})}), ErrorCode::path_refused, "");
  refused(artifact({layer_of(weight)}), ErrorCode::bundle_invalid, "no file path");
  refused(artifact({layer_of(weight, {{"org.cncf.model.filepath", 7}})}), ErrorCode::bundle_invalid, "");
  refused(artifact({layer_of("application/vnd.cncf.model.weight.v1.rar")}), ErrorCode::bundle_invalid,
          "does not read");
  refused(artifact({layer_of("application/vnd.cncf.model.virus.v1.raw")}), ErrorCode::bundle_invalid,
          "does not read");
  refused(artifact(Json::array()), ErrorCode::bundle_invalid, "no layers");
  refused(artifact({layer_of(weight)}, "application/vnd.oci.image.config.v1+json"), ErrorCode::bundle_invalid,
          "no model");
  Json both = artifact({layer_of("application/vnd.cncf.model.doc.v1.tar")});
  both["manifests"] = Json::array();
  refused(both, ErrorCode::bundle_invalid, "manifests");
  Json negative = artifact({layer_of("application/vnd.cncf.model.doc.v1.tar")});
  negative["layers"][0]["size"] = -1;
  refused(negative, ErrorCode::bundle_invalid, "size");
  Json vast = artifact(
      {layer_of("application/vnd.cncf.model.doc.v1.tar"), layer_of("application/vnd.cncf.model.doc.v1.tar")});
  vast["layers"][0]["size"] = (1ULL << 53) - 1;
  vast["layers"][1]["size"] = (1ULL << 53) - 1;
  refused(vast, ErrorCode::bundle_invalid, "more bytes than any disk holds");
  Json upper = artifact({layer_of("application/vnd.cncf.model.doc.v1.tar")});
  upper["layers"][0]["digest"] = "sha256:../../../../etc/passwd";
  refused(upper, ErrorCode::bundle_invalid, "");
}

TEST_CASE("foreign: what a config says, whoever wrote it") {
  const ForeignFacts pack =
      decode_foreign_config(
          R"({"descriptor":{"name":"n","licenses":["Apache-2.0"]},"config":{"format":"gguf",
                                   "architecture":"llama","paramSize":"1b","quantization":"Q4_0"},"modelfs":{}})")
          .value();
  CHECK(pack.name == "n");
  CHECK(pack.license == "Apache-2.0");
  CHECK(pack.parameters == "1b");
  const ForeignFacts kit =
      decode_foreign_config(
          R"({"manifestVersion":"1","package":{"name":"kit","license":"mit","description":"d"}})")
          .value();
  CHECK(kit.name == "kit");
  CHECK(kit.license == "MIT");
  CHECK(decode_foreign_config(R"({"descriptor":[],"config":3})").value().name.empty());
  CHECK_FALSE(decode_foreign_config("[]"));
  CHECK_FALSE(decode_foreign_config("no json"));
}

TEST_CASE("foreign: a bundle is none") {
  const Folder folder;
  CHECK(is_bundle_manifest(hand_made(folder, Json::array()).dump()));
  CHECK_FALSE(is_bundle_manifest(artifact(Json::array()).dump()));
  CHECK_FALSE(is_bundle_manifest("{"));
}
