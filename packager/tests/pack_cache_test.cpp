// Packing again without reading: when the notes of the last pack are believed, and when not.
#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>

#include "packager/bundle_file_reader.h"
#include "packager/bundle_format.h"
#include "packager/tests/support_store.h"
#include "packager/tests/support_weights.h"

using namespace mrun;
using namespace mrun::testing;
namespace fs = std::filesystem;

namespace {

constexpr std::string_view k_manifest =
    "mrun: 1\nname: demo/big\nengine: echo\nfiles: [big.bin, small.txt]\noutput: {type: any}\n";

// A model whose files are older than the clock's tick, packed once with notes.
struct Noted {
  Noted() {
    folder.write("model/mrun.yaml", k_manifest);
    folder.write("model/big.bin", big);
    folder.write("model/small.txt", "small");
    // ctime can't be set, so it has to pass.
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    first = pack();
  }
  Digest pack() {
    PackOptions options;
    options.notes = folder.path / "notes";
    return pack_directory(store, folder.path / "model", options).value().digest;
  }
  fs::path blob_of(const std::string& file) const {
    const Bundle bundle = store.load(first).value();
    return folder.path / "store/blobs/sha256" / bundle.find(file)->segments[0].blob.hex();
  }

  Folder folder;
  std::string big = random_bytes(65U << 20, 3);
  Store store = Store::open(folder.path / "store").value();
  Digest first{Digest::Bytes{}};
};

// Puts other bytes into the file and gives it its times back. ctime shows it.
void swap_bytes(const fs::path& path, std::string_view bytes) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  std::fstream(path, std::ios::in | std::ios::out | std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const timespec times[2] = {status.st_atim, status.st_mtim};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}

} // namespace

TEST_CASE("notes give the same version, and are there for cut and whole files") {
  Noted noted;
  CHECK(noted.pack() == noted.first);
  const auto notes = fs::directory_iterator(noted.folder.path / "notes")->path();
  const Json json = Json::parse(read_file(notes.string(), 1U << 30, ErrorCode::io, ErrorCode::io).value());
  CHECK(json["files"].size() == 3);
  CHECK(json["files"][0]["pieces"].size() > 3);
}

TEST_CASE("a change that leaves size and mtime alone is seen") {
  Noted noted;
  swap_bytes(noted.folder.path / "model/big.bin", "other");
  const Digest second = noted.pack();
  CHECK(second != noted.first);
  const Bundle bundle = noted.store.load(second).value();
  CHECK(
      noted.store.read_blob(bundle.find("big.bin")->segments[0].blob, 1U << 30).value().starts_with("other"));
}

TEST_CASE("blobs that are gone, or were touched, are made again") {
  Noted noted;
  const fs::path blob = noted.blob_of("small.txt");
  fs::remove(blob);
  CHECK(noted.pack() == noted.first);
  CHECK(fs::exists(blob));
  fs::permissions(blob, fs::perms::owner_all);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  std::ofstream(blob, std::ios::trunc) << "SMALL";
  CHECK(noted.pack() == noted.first);
  CHECK(check_whole(noted.folder.path / "store") == 1);
}

TEST_CASE("notes that are broken, of another rule or of another store are no notes") {
  Noted noted;
  const fs::path notes = fs::directory_iterator(noted.folder.path / "notes")->path();
  const std::string good = read_file(notes.string(), 1U << 30, ErrorCode::io, ErrorCode::io).value();
  for (const std::string& bad :
       {std::string("{"), std::string("[]"), std::string("{}"), good.substr(0, 200),
        std::string(R"({"schema":"mrun.pack-notes/v1","cut":"t0","written_ns":1,"files":[]})"),
        std::string(R"({"schema":"mrun.pack-notes/v1","cut":"t1","written_ns":9,"files":[{"path":1}]})")}) {
    CAPTURE(bad);
    std::ofstream(notes, std::ios::trunc) << bad;
    CHECK(noted.pack() == noted.first);
  }
  Store other = Store::open(noted.folder.path / "other").value();
  PackOptions options;
  options.notes = noted.folder.path / "notes";
  CHECK(pack_directory(other, noted.folder.path / "model", options).value().digest == noted.first);
  CHECK(check_whole(noted.folder.path / "other") == 1);
}

TEST_CASE("very many files share blobs: the manifest stays small, and nothing is read twice") {
  Folder folder;
  folder.write("model/mrun.yaml",
               "mrun: 1\nname: demo/many\nengine: echo\nfiles: [\"parts/*\"]\noutput: {type: any}\n");
  constexpr int count = 2500;
  const auto name = [](int i) { return "parts/" + std::to_string(i); };
  for (int i = 0; i < count; ++i) // some empty, some of over a group's size
    folder.write("model/" + name(i), random_bytes(i % 10 == 0 ? 0
                                                  : i == 77   ? 3U << 20
                                                              : 700,
                                                  static_cast<unsigned>(i)));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  Store store = Store::open(folder.path / "store").value();
  PackOptions options;
  options.notes = folder.path / "notes";
  const PackResult first = pack_directory(store, folder.path / "model", options).value();

  const std::string manifest = store.read_blob(first.digest, k_max_oci_manifest_bytes).value();
  CHECK(manifest.size() < 20'000);
  CHECK(decode_bundle(manifest).value().layers.size() < 10);
  const Bundle bundle = store.load(first.digest).value();
  REQUIRE(bundle.files.size() == count + 1);
  for (const int i : {0, 1, 77, 1999, count - 1}) {
    const BundleFile* file = bundle.find(name(i));
    REQUIRE(file != nullptr);
    BundleFileReader reader(store, *file);
    CHECK(reader.read(0, reader.size()).value() == random_bytes(i % 10 == 0 ? 0
                                                                : i == 77   ? 3U << 20
                                                                            : 700,
                                                                static_cast<unsigned>(i)));
  }

  // Without the notes it is the same version; with them no file is opened for its bytes.
  Store other = Store::open(folder.path / "other").value();
  CHECK(pack_directory(other, folder.path / "model", {}).value().digest == first.digest);
  for (int i = 0; i < count; ++i)
    swap_bytes(folder.path / "model" / name(i), std::string(i % 10 == 0 ? 0 : i == 77 ? 3U << 20 : 700, 'x'));
  const PackResult changed = pack_directory(store, folder.path / "model", options).value();
  CHECK(changed.digest != first.digest); // ctime shows it
  // One file that changes costs its group.
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK(pack_directory(store, folder.path / "model", options).value().new_bytes == 0);
  folder.write("model/" + name(5), random_bytes(700, 9999));
  CHECK(pack_directory(store, folder.path / "model", options).value().new_bytes < 3U << 20);
}
