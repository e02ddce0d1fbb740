#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>

#include "packager/model_spec.h"
#include "packager/pack.h"
#include "packager/schema.h"
#include "packager/tests/support.h"

using namespace mrun;
using mrun::testing::Folder;

TEST_CASE("a folder is packed, listed, resolved, loaded, tagged and collected") {
  Folder folder;
  folder.write("model/mrun.yaml", mrun::testing::k_small_manifest);
  folder.write("model/model.bin", "weights");
  folder.write("model/labels.txt", "a\nb\n");
  Store store = Store::open(folder.path / "store").value();
  const PackResult packed = pack_directory(store, folder.path / "model", {}).value();
  CHECK(packed.file_count == 3);
  CHECK(packed.reference.text() == "demo/small:latest");
  const std::vector<TagEntry> tags = store.list().value();
  REQUIRE(tags.size() == 1);
  CHECK(tags[0].model == "demo/small");
  CHECK(tags[0].size_bytes == packed.size_bytes);
  CHECK(store.resolve(Reference::parse("demo/small").value()).value() == packed.digest);
  CHECK(store.resolve(Reference::parse(packed.digest.hex().substr(0, 10)).value()).value() == packed.digest);
  const Bundle bundle = store.load(packed.digest).value();
  CHECK(bundle.files.size() == 3);
  CHECK(bundle.find("model.bin")->size == 7);
  CHECK(bundle.find("nope") == nullptr);
  CHECK(check_input(bundle.manifest, {{"text", "x"}}).value() == Json{{"text", "x"}, {"n", 3}});
  CHECK(model_spec(bundle, "cuda:1", 2)["device"] == Json{{"type", "cuda"}, {"id", 1}});
  const PackResult again = pack_directory(store, folder.path / "model", {}).value();
  CHECK(again.digest == packed.digest);
  CHECK(again.new_bytes == 0);
  CHECK(store.collect_garbage().value().blobs.empty());
  CHECK(store.untag(Reference::parse("demo/small").value()));
  CHECK(store.collect_garbage().value().blobs.size() == 5);
  CHECK(store.list().value().empty());
}

TEST_CASE("the two normative examples parse exactly as they are") {
  for (const char* name : {"minilm", "mobilenet"}) {
    const std::string text =
        read_file(std::string(MRUN_TEST_DATA) + "/" + name + ".yaml", 1 << 20, ErrorCode::io, ErrorCode::io)
            .value();
    const Result<Manifest> manifest = parse_manifest(text, "mrun.yaml");
    INFO((manifest ? std::string() : manifest.error().message));
    REQUIRE(manifest);
    CHECK(manifest->engine == "torch");
    CHECK(manifest->name == std::string("demo/") + name);
  }
}
