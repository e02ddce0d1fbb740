#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include <sys/resource.h>

#include "common/tests/zip_writer.h"
#include "packager/cut/cut_plan.h"
#include "packager/pack_plan.h"
#include "packager/sha256.h"
#include "packager/tests/support_store.h"
#include "packager/tests/support_weights.h"

using namespace mrun;
using namespace mrun::testing;

namespace {

constexpr std::uint64_t k_mi = 1ULL << 20;

// A layout of tensors of these sizes, back to back behind a header.
WeightLayout layout_with(const std::vector<std::uint64_t>& sizes, std::uint64_t header = 1000) {
  WeightLayout layout;
  std::uint64_t at = header;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    layout.tensors.push_back({"t" + std::to_string(i), "F32", {sizes[i] / 4}, at, sizes[i]});
    at += sizes[i];
  }
  return layout;
}

void check_covers(const std::vector<CutPiece>& pieces, std::uint64_t size) {
  std::uint64_t at = 0;
  for (const CutPiece& piece : pieces) {
    CHECK(piece.offset == at);
    CHECK(piece.length > 0);
    at += piece.length;
  }
  CHECK(at == size);
}

std::vector<std::size_t> chunk_lengths(std::string_view bytes, ChunkSizes sizes, std::size_t step) {
  ContentCutter cutter(sizes);
  std::vector<std::size_t> lengths{0};
  for (std::size_t at = 0; at < bytes.size();) {
    bool ends = false;
    const std::size_t taken = cutter.take(bytes.substr(at, step), ends);
    at += taken;
    lengths.back() += taken;
    if (ends) lengths.push_back(0);
  }
  if (lengths.back() == 0) lengths.pop_back();
  return lengths;
}

std::string manifest_of(const std::string& files) {
  return "mrun: 1\nname: demo/big\nengine: echo\nfiles: [" + files + "]\noutput: {type: any}\n";
}

struct Packed {
  Bundle bundle;
  PackResult result;
  std::set<Digest> blobs;
};

Packed pack(const Folder& folder, Store& store) {
  Packed out{{}, pack_directory(store, folder.path / "model", {}).value(), {}};
  out.bundle = store.load(out.result.digest).value();
  for (const BundleFile& file : out.bundle.files)
    for (const Segment& segment : file.segments)
      out.blobs.insert(segment.blob);
  return out;
}

std::string join(const Store& store, const BundleFile& file) {
  std::string out;
  for (const Segment& segment : file.segments)
    out += store.read_blob(segment.blob, 1U << 30).value().substr(segment.offset, segment.length);
  return out;
}

std::vector<std::pair<std::string, std::string>> some_tensors() {
  std::vector<std::pair<std::string, std::string>> tensors;
  for (std::size_t i = 0; i < 24; ++i)
    tensors.emplace_back("layer." + std::to_string(i) + ".weight", random_bytes(3 * k_mi + 40, i));
  for (std::size_t i = 0; i < 40; ++i)
    tensors.emplace_back("layer." + std::to_string(i) + ".bias", random_bytes(90'000, 100 + i));
  return tensors;
}

// Bytes of the second version that the first one's store lacks.
std::uint64_t new_bytes(const std::string& name, const std::string& before, const std::string& after) {
  Folder folder;
  Store store = Store::open(folder.path / "store").value();
  folder.write("model/mrun.yaml", manifest_of(name));
  folder.write("model/" + name, before);
  pack(folder, store);
  folder.write("model/" + name, after);
  const Packed second = pack(folder, store);
  CHECK(join(store, *second.bundle.find(name)) == after);
  return second.result.new_bytes;
}

} // namespace

TEST_CASE("t1: a large tensor has pieces of its own, cut from its own start") {
  const std::vector<std::uint64_t> sizes = {2 * k_mi, 130 * k_mi, 3 * k_mi};
  const std::uint64_t size = 1000 + 135 * k_mi;
  const auto pieces = cut_file(size, layout_with(sizes), CutSizes(0));
  check_covers(pieces, size);
  REQUIRE(pieces.size() == 6);
  CHECK(pieces[0].glue); // the header
  CHECK(pieces[1].length == 2 * k_mi);
  CHECK(pieces[2].length == 64 * k_mi);
  CHECK(pieces[3].length == 64 * k_mi);
  CHECK(pieces[4].length == 2 * k_mi);
  CHECK(pieces[5].length == 3 * k_mi);
}

TEST_CASE(
    "t1: small tensors share pieces of at most 1 MiB, and a change of the order before moves no cut far") {
  const std::vector<std::uint64_t> sizes(400, 40'000);
  const auto pieces = cut_file(1000 + 400 * 40'000, layout_with(sizes), CutSizes(0));
  check_covers(pieces, 1000 + 400 * 40'000);
  for (const CutPiece& piece : pieces)
    CHECK(piece.length <= k_mi);
  CHECK(pieces.size() > 16);
  CHECK(pieces.size() < 70);
}

TEST_CASE("t1: more pieces than a manifest holds double the sizes") {
  const std::vector<std::uint64_t> sizes(50'000, 2 * k_mi);
  const WeightLayout layout = layout_with(sizes);
  const std::uint64_t size = 1000 + 50'000 * 2 * k_mi;
  CHECK(most_pieces(cut_file(size, layout, CutSizes(0)), CutSizes(0)) > 50'000);
  CHECK(most_pieces(cut_file(size, layout, CutSizes(3)), CutSizes(3)) < 20'000);
  check_covers(cut_file(size, layout, CutSizes(3)), size);
}

TEST_CASE("t1: gaps between tensors are glue; long ones are cut by content") {
  WeightLayout layout = layout_with({2 * k_mi, 2 * k_mi}, 10 * k_mi);
  layout.tensors[1].offset += 64;
  const std::uint64_t size = 14 * k_mi + 64 + 200;
  const auto pieces = cut_file(size, layout, CutSizes(0));
  check_covers(pieces, size);
  REQUIRE(pieces.size() == 5);
  CHECK(content_cuts(pieces[0], CutSizes(0)).value().least_bytes == 64 * 1024);
  CHECK(pieces[2].glue);
  CHECK(pieces[2].length == 64);
  CHECK_FALSE(content_cuts(pieces[2], CutSizes(0)));
  CHECK(pieces[4].length == 200);
}

TEST_CASE("content cuts: the same at any reading size, within their bounds, and stable under an insertion") {
  const ChunkSizes sizes{10'000, 80'000, 14};
  const std::string bytes = random_bytes(2'000'000, 7);
  const auto lengths = chunk_lengths(bytes, sizes, bytes.size());
  CHECK(chunk_lengths(bytes, sizes, 1) == lengths);
  CHECK(chunk_lengths(bytes, sizes, 4097) == lengths);
  CHECK(lengths.size() > 40);
  for (std::size_t i = 0; i + 1 < lengths.size(); ++i) {
    CHECK(lengths[i] >= sizes.least_bytes);
    CHECK(lengths[i] <= sizes.most_bytes);
  }
  const auto shifted = chunk_lengths("one more" + bytes, sizes, 5000);
  std::size_t same = 0;
  while (same < lengths.size() && same < shifted.size() &&
         lengths[lengths.size() - 1 - same] == shifted[shifted.size() - 1 - same])
    ++same;
  CHECK(same + 3 >= lengths.size());
  // Golden: the gear numbers are a part of the format.
  CHECK(lengths[0] == 33'611);
  for (const std::size_t length : chunk_lengths(std::string(400'000, '\0'), sizes, 5000))
    CHECK(length == 80'000);
}

TEST_CASE("pack cuts a large file, and the pieces join to it again") {
  Folder folder;
  Store store = Store::open(folder.path / "store").value();
  const std::string weights = safetensors_file(some_tensors());
  REQUIRE(weights.size() > k_whole_file_bytes);
  folder.write("model/mrun.yaml", manifest_of("model.safetensors, other.bin"));
  folder.write("model/model.safetensors", weights);
  folder.write("model/other.bin", random_bytes(66 * k_mi, 999));
  const Packed packed = pack(folder, store);
  CHECK(join(store, *packed.bundle.find("model.safetensors")) == weights);
  CHECK(join(store, *packed.bundle.find("other.bin")) == random_bytes(66 * k_mi, 999));
  CHECK(packed.bundle.find("other.bin")->segments.size() > 5);
  CHECK(packed.bundle.find("mrun.yaml")->segments.size() == 1);
  // Each tensor of 1 MiB or more begins its blob.
  const auto layout = read_weight_layout(weights.size(), reader_of(weights)).value().value();
  std::uint64_t at = 0;
  std::set<std::uint64_t> begins;
  for (const Segment& segment : packed.bundle.find("model.safetensors")->segments) {
    if (segment.offset == 0) begins.insert(at);
    at += segment.length;
  }
  for (const TensorPlace& tensor : layout.tensors)
    CHECK((tensor.size_bytes < k_mi || begins.contains(tensor.offset)));
  CHECK(pack(folder, store).result.digest == packed.result.digest);
  CHECK(pack(folder, store).result.new_bytes == 0);
  CHECK(check_whole(folder.path / "store") == 1);
}

TEST_CASE("a second version adds what changed: a tensor, a header, an inserted tensor") {
  auto tensors = some_tensors();
  const std::string before = safetensors_file(tensors);
  auto changed = tensors;
  changed[5].second = random_bytes(changed[5].second.size(), 5555);
  CHECK(new_bytes("model.safetensors", before, safetensors_file(changed)) < changed[5].second.size() + k_mi);
  CHECK(new_bytes("model.safetensors", before, safetensors_file(tensors, "edited")) < k_mi);
  auto inserted = tensors;
  inserted.insert(inserted.begin() + 3, {"new.weight", random_bytes(2 * k_mi, 4444)});
  inserted.insert(inserted.begin() + 40, {"new.bias", random_bytes(50'000, 4445)});
  CHECK(new_bytes("model.safetensors", before, safetensors_file(inserted)) < 2 * k_mi + 50'000 + k_mi);
}

TEST_CASE("the same for GGUF with a long header") {
  auto tensors = some_tensors();
  const std::string tokens = random_bytes(6 * k_mi, 1);
  const std::string before = gguf_file({{"general.name", "one"}, {"tokens", tokens}}, tensors);
  CHECK(new_bytes("m.gguf", before, gguf_file({{"general.name", "another"}, {"tokens", tokens}}, tensors)) <
        k_mi + 500'000);
  tensors[30].second = random_bytes(tensors[30].second.size(), 5555);
  CHECK(new_bytes("m.gguf", before, gguf_file({{"general.name", "one"}, {"tokens", tokens}}, tensors)) <
        2 * k_mi);
}

TEST_CASE("the same for a PyTorch archive: its directory and local headers are glue") {
  const auto archive = [](const std::vector<std::pair<std::string, std::string>>& tensors) {
    test::ZipWriter writer;
    for (const auto& [name, bytes] : tensors)
      writer.add("model/data/" + name, bytes);
    return writer.finish();
  };
  auto tensors = some_tensors();
  const std::string before = archive(tensors);
  tensors[5].second = random_bytes(tensors[5].second.size(), 5555);
  CHECK(new_bytes("model.pt2", before, archive(tensors)) < tensors[5].second.size() + k_mi);
  tensors.insert(tensors.begin() + 3, {"new", random_bytes(2 * k_mi, 4444)});
  CHECK(new_bytes("model.pt2", before, archive(tensors)) < tensors[6].second.size() + 3 * k_mi);
}

TEST_CASE("a hostile weight file packs like any other") {
  Folder folder;
  Store store = Store::open(folder.path / "store").value();
  std::string weights = safetensors_file(some_tensors());
  weights[20] = '\xff';
  folder.write("model/mrun.yaml", manifest_of("model.safetensors"));
  folder.write("model/model.safetensors", weights);
  const Packed packed = pack(folder, store);
  CHECK(join(store, *packed.bundle.find("model.safetensors")) == weights);
}

namespace {

std::vector<SelectedFile> some_files(std::size_t count, std::uint64_t size, const std::string& folder = "d") {
  std::vector<SelectedFile> files;
  for (std::size_t i = 0; i < count; ++i)
    files.push_back({SafePath::parse(folder + "/part-" + std::to_string(10'000'000 + i)).value(), size, {}});
  files.push_back({SafePath::parse("mrun.yaml").value(), 100, {}});
  return files;
}

// No files are there to be cut: each has this many tensors' pieces.
PackPlan plan_of(const std::vector<SelectedFile>& files, std::size_t pieces_each = 2) {
  return plan_pack(files, [&](const std::vector<bool>& is_cut, const CutSizes&) {
    return static_cast<std::size_t>(std::ranges::count(is_cut, true)) * pieces_each;
  });
}

std::size_t manifest_bytes(const std::vector<SelectedFile>& files, const PackPlan& plan) {
  BundleParts parts;
  for (std::size_t i = 0; i < files.size(); ++i)
    if (plan.is_whole[i])
      parts.files.push_back({files[i].path, 0644, files[i].size, {{Digest(), 0, files[i].size}}});
  const auto cut = static_cast<std::size_t>(std::ranges::count(plan.is_cut, true));
  parts.pieces.resize(plan.groups.size() + 2 * cut, BlobClaim{Digest(), 1ULL << 40});
  parts.recipe = BlobClaim{Digest(), 1ULL << 20};
  return encode_bundle(parts, {Digest(), 1000}).size();
}

} // namespace

TEST_CASE("t2: whatever the number, the sizes and the names of the files, the manifest stays below 3 MiB") {
  struct Case {
    std::size_t count;
    std::uint64_t size;
    std::string folder;
    bool widened;
  };
  const std::vector<Case> cases = {{8'000, 1 * k_mi, "d", false}, // fits by t1
                                   {8'500, 1 * k_mi, "d", true},
                                   {12'000, 1 * k_mi, "d", true},
                                   {99'000, 60 * k_mi, "d", true}, // 6 TB
                                   {20'000, 80 * k_mi, "d", true}, // files that would be cut
                                   {1'900, 2 * k_mi,
                                    std::string(200, 'n') + "/" + std::string(200, 'n') + "/" +
                                        std::string(200, 'n') + "/" + std::string(200, 'n'),
                                    true}}; // long names
  for (const Case& one : cases) {
    CAPTURE(one.count);
    CAPTURE(one.size);
    const auto files = some_files(one.count, one.size, one.folder);
    const PackPlan plan = plan_of(files);
    CHECK(manifest_bytes(files, plan) < 3 * k_mi);
    CHECK(plan.is_widened == one.widened);
    CHECK(plan.is_whole.back()); // mrun.yaml
    std::size_t grouped = 0;
    for (const FileGroup& group : plan.groups)
      grouped += group.files.size();
    const auto alone = std::ranges::count(plan.is_whole, true) + std::ranges::count(plan.is_cut, true);
    CHECK(grouped + static_cast<std::size_t>(alone) == files.size());
  }
}

TEST_CASE("a widened bundle says so in its recipe, packs its files as they are, and packs again the same") {
  Folder folder;
  Store store = Store::open(folder.path / "store").value();
  std::string name(230, 'n'); // so that few files are enough
  for (const char* part : {"/a", "/b", "/c", "/d", "/e"})
    name += std::string(part) + std::string(230, 'n');
  folder.write("model/mrun.yaml", manifest_of("\"**/*.bin\""));
  const auto path = [&](int i) { return name + "/" + std::to_string(i) + ".bin"; };
  for (int i = 0; i < 1'200; ++i)
    folder.write("model/" + path(i), "file " + std::to_string(i));
  const Packed packed = pack(folder, store);
  for (const int i : {0, 7, 1'199})
    CHECK(join(store, *packed.bundle.find(path(i))) == "file " + std::to_string(i));
  const std::string manifest = store.read_blob(packed.result.digest, 4 * k_mi).value();
  CHECK(manifest.size() < 3 * k_mi);
  const Digest recipe = decode_bundle(manifest).value().recipe.value().digest;
  CHECK(store.read_blob(recipe, 64 * k_mi).value().find(R"("cut":"t2")") != std::string::npos);
  CHECK(pack(folder, store).result.digest == packed.result.digest);
  CHECK(check_whole(folder.path / "store") == 1);
}

TEST_CASE("more files in a group than this process may open") {
  Folder folder;
  Store store = Store::open(folder.path / "store").value();
  folder.write("model/mrun.yaml", manifest_of("\"d/*\""));
  for (int i = 0; i < 2'500; ++i)
    folder.write("model/d/" + std::to_string(i), std::to_string(i));
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit few = before;
  few.rlim_cur = 64;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  const auto packed = pack_directory(store, folder.path / "model", {});
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  REQUIRE(packed);
  CHECK(packed->file_count == 2'501);
}
