#include <doctest/doctest.h>

#include <filesystem>

#include <fmt/format.h>

#include "packager/bundle_format.h"
#include "packager/layout/layout_load.h"
#include "packager/layout/layout_save.h"
#include "packager/tests/support_store.h"

using namespace mrun;
using namespace mrun::testing;
namespace fs = std::filesystem;

namespace {

struct Packed {
  Folder folder;
  Store store = Store::open(folder.path / "store").value();
  Digest version;

  Packed() {
    write_small_model(folder);
    version = pack_directory(store, folder.path / "model", {}).value().digest;
  }
  std::string saved() const {
    std::string bytes;
    const auto sink = [&](std::string_view part) -> Result<void> {
      bytes += part;
      return {};
    };
    CHECK(save_layout(store, {{version, "demo/small:latest"}}, sink, {}));
    return bytes;
  }
};

// In parts of `step` bytes, as a pipe would give them.
ArchiveSource source_of(const std::string& bytes, std::size_t step) {
  return [&bytes, step, at = std::size_t{0}]() mutable -> Result<std::string_view> {
    const std::string_view part = std::string_view(bytes).substr(at, step);
    at += part.size();
    return part;
  };
}

} // namespace

TEST_CASE("a saved version is the same bytes for ever") {
  const Packed packed;
  const std::string saved = packed.saved();
  CHECK(saved == packed.saved());
  CHECK(saved.size() % 512 == 0);
  CHECK(saved.starts_with("blobs/"));
  CHECK(Sha256::of(saved).hex() == "16572177676405e84fd9746d106628f11b13ef675074c3fce79e119f9064bebf");
}

TEST_CASE("what was saved is loaded, however its bytes come") {
  const Packed packed;
  const std::string saved = packed.saved();
  for (const std::size_t step : {1U, 511U, 1U << 20}) {
    Folder folder;
    Store store = Store::open(folder.path / "store").value();
    const LoadResult loaded = load_archive(store, source_of(saved, step), {}).value();
    REQUIRE(loaded.versions.size() == 1);
    CHECK(loaded.versions[0].digest == packed.version);
    CHECK(store.resolve(reference("demo/small")).value() == packed.version);
    CHECK(check_whole(folder.path / "store") == 1);
  }
}

TEST_CASE("cut short at any place, nothing gets a name and nothing temporary stays") {
  const Packed packed;
  const std::string saved = packed.saved();
  for (std::size_t length = 0; length + 1024 < saved.size(); length += 509) {
    const std::string cut = saved.substr(0, length);
    Folder folder;
    Store store = Store::open(folder.path / "store").value();
    CHECK(load_archive(store, source_of(cut, 4096), {}).error().code == ErrorCode::bundle_invalid);
    CHECK(store.list().value().empty());
    CHECK(count_files(folder.path / "store/tmp") == 0);
  }
}

TEST_CASE("a sink that fails ends a save with its own error") {
  const Packed packed;
  const auto full = [](std::string_view) -> Result<void> { return fail(ErrorCode::disk_full, "no room"); };
  CHECK(save_layout(packed.store, {{packed.version, ""}}, full, {}).error().code == ErrorCode::disk_full);
}

TEST_CASE("a damaged blob is not saved, and a stop ends both ways") {
  const Packed packed;
  const auto sink = [](std::string_view) -> Result<void> { return {}; };
  const std::string saved = packed.saved();
  CHECK(save_layout(packed.store, {{packed.version, ""}}, sink,
                    {.on_progress = {}, .is_stopped = [] { return true; }})
            .error()
            .code == ErrorCode::interrupted_by_user);
  Folder folder;
  Store store = Store::open(folder.path / "store").value();
  LoadRequest stopped;
  stopped.is_stopped = [] { return true; };
  CHECK(load_archive(store, source_of(saved, 512), stopped).error().code == ErrorCode::interrupted_by_user);
  const Digest weights = packed.store.load(packed.version).value().find("model.bin")->segments[0].blob;
  packed.folder.write("store/blobs/sha256/" + weights.hex(), std::string(5000, 'x'));
  CHECK(save_layout(packed.store, {{packed.version, ""}}, sink, {}).error().code == ErrorCode::store_corrupt);
}

TEST_CASE("a version of a thousand names gets all of them at once, or none") {
  const Packed packed;
  Folder folder;
  const fs::path layout = folder.path / "layout";
  fs::create_directories(layout / "blobs");
  fs::copy(packed.folder.path / "store/blobs", layout / "blobs", fs::copy_options::recursive);
  Json entries = Json::array();
  for (int i = 0; i < 1000; ++i)
    entries.push_back(
        {{"mediaType", k_manifest_media_type},
         {"digest", packed.version.text()},
         {"size", fs::file_size(layout / "blobs/sha256" / packed.version.hex())},
         {"annotations", {{"org.opencontainers.image.ref.name", fmt::format("demo/n{}:v1", i)}}}});
  folder.write("layout/index.json",
               canonical_json({{"schemaVersion", 2}, {"manifests", std::move(entries)}}));
  folder.write("layout/oci-layout", R"({"imageLayoutVersion":"1.0.0"})");

  Store store = Store::open(folder.path / "store").value();
  int asked = 0;
  LoadRequest late;
  late.is_stopped = [&] { return ++asked > 500; };
  CHECK(load_folder(store, layout, late).error().code == ErrorCode::interrupted_by_user);
  CHECK(store.list().value().empty());
  CHECK(load_folder(store, layout, {}).value().versions.size() == 1000);
  CHECK(store.list().value().size() == 1000);
}
