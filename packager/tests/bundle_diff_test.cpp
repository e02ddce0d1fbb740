#include "packager/bundle_diff.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "packager/tests/support_store.h"
#include "packager/tests/support_weights.h"

using namespace mrun;
using namespace mrun::testing;

namespace {

// Packs two versions of one model from its files.
struct Pair {
  Folder folder;
  Store store = Store::open(folder.path / "store").value();

  Bundle pack(const std::vector<std::pair<std::string, std::string>>& files,
              std::string_view extra = "") const {
    std::filesystem::remove_all(folder.path / "model");
    std::string globs;
    for (const auto& [name, bytes] : files) {
      folder.write("model/" + name, bytes);
      globs += (globs.empty() ? "" : ", ") + name;
    }
    folder.write(
        "model/mrun.yaml",
        fmt::format(
            "mrun: 1\nname: demo/echo\nengine: echo\nfiles: [{}]\ninputs: {{}}\noutput: {{type: any}}\n{}",
            globs, extra));
    Store writable = Store::open(folder.path / "store").value();
    return writable.load(pack_directory(writable, folder.path / "model", {}).value().digest).value();
  }
  BundleDiff diff(const Bundle& before, const Bundle& after) const {
    return diff_bundles(store, before, after).value();
  }
};

// "weights.bin changed", without mrun.yaml.
std::vector<std::string> lines(const BundleDiff& diff) {
  std::vector<std::string> out;
  for (const FileChange& change : diff.files)
    if (change.path.text() != "mrun.yaml")
      out.push_back(fmt::format("{} {}", change.path.text(), file_change_name(change.kind)));
  return out;
}
std::vector<std::string> lines(const TensorDiff& diff) {
  std::vector<std::string> out;
  for (const TensorChange& change : diff.changes)
    out.push_back(fmt::format("{} {}", change.name, tensor_change_name(change.kind)));
  return out;
}
using Lines = std::vector<std::string>;

} // namespace

TEST_CASE("the same version has no difference") {
  const Pair pair;
  const Bundle bundle = pair.pack({{"a.txt", "one"}, {"b.txt", ""}});
  const BundleDiff diff = pair.diff(bundle, bundle);
  CHECK_FALSE(diff.differs());
  CHECK_FALSE(diff.breaks());
  CHECK(diff.same_files == 3);
}

TEST_CASE("files come, go, change and become executable") {
  const Pair pair;
  const Bundle before = pair.pack({{"a.txt", "one"}, {"b.txt", "two"}, {"c.txt", "six"}, {"d.txt", "same"}});
  Bundle after =
      pair.pack({{"b.txt", "TWO"}, {"c.txt", "six"}, {"d.txt", "same"}, {"e.txt", "new"}}, "license: MIT\n");
  for (BundleFile& file : after.files)
    if (file.path.text() == "c.txt") file.mode = 0755;
  const BundleDiff diff = pair.diff(before, after);
  CHECK(lines(diff) == Lines{"a.txt removed", "b.txt changed", "c.txt mode", "e.txt added"});
  REQUIRE(diff.facts.size() == 1);
  CHECK((diff.facts[0].key == "license" && diff.facts[0].before.empty() && diff.facts[0].after == "MIT"));
  CHECK(diff.differs());
  CHECK_FALSE(diff.breaks());
}

TEST_CASE("the tensors of changed weights are compared by name") {
  const Pair pair;
  const std::string large = random_bytes(200'000, 1);
  std::string other = large;
  other.back() ^= 1;
  for (const bool gguf : {false, true}) {
    const auto file = [&](const std::vector<std::pair<std::string, std::string>>& tensors,
                          const std::string& note) {
      return gguf ? gguf_file({{"general.name", note}}, tensors) : safetensors_file(tensors, note);
    };
    const Bundle before = pair.pack(
        {{"model.bin", file({{"same", large}, {"edited", large}, {"grown", "ab"}, {"gone", "x"}}, "one")}});
    const Bundle after = pair.pack(
        {{"model.bin", file({{"new", "y"}, {"grown", "abc"}, {"edited", other}, {"same", large}}, "two")}});
    const BundleDiff diff = pair.diff(before, after);
    REQUIRE(lines(diff) == Lines{"model.bin changed"});
    const std::optional<TensorDiff>& tensors = diff.files[0].tensors;
    REQUIRE(tensors);
    CHECK(tensors->format == (gguf ? WeightFormat::gguf : WeightFormat::safetensors));
    CHECK(lines(*tensors) == Lines{"new added", "grown reshaped", "edited changed", "gone removed"});
    CHECK(tensors->same_count == 1);
    CHECK(tensors->same_bytes == large.size());
  }
}

TEST_CASE("a header that changes alone leaves every tensor as it is") {
  const Pair pair;
  const Bundle before = pair.pack({{"m.bin", safetensors_file({{"a", "1234"}}, "one")}});
  const Bundle after = pair.pack({{"m.bin", safetensors_file({{"a", "1234"}}, "another")}});
  const BundleDiff diff = pair.diff(before, after);
  REQUIRE(diff.files[0].tensors);
  CHECK(diff.files[0].tensors->changes.empty());
  CHECK(diff.files[0].tensors->same_count == 1);
}

TEST_CASE("a type that changes, and weights that become something else") {
  const Pair pair;
  const std::string data(8, 'd');
  const auto typed = [&](std::string_view dtype, std::string_view shape) {
    return safetensors_of(
        fmt::format(R"({{"a":{{"dtype":"{}","shape":{},"data_offsets":[0,8]}}}})", dtype, shape), data);
  };
  const Bundle one = pair.pack({{"m.bin", typed("F32", "[2]")}});
  const Bundle two = pair.pack({{"m.bin", typed("BF16", "[4]")}});
  const BundleDiff diff = pair.diff(one, two);
  REQUIRE(diff.files[0].tensors);
  CHECK(lines(*diff.files[0].tensors) == Lines{"a retyped"});
  const Bundle text = pair.pack({{"m.bin", "no weights any more"}});
  CHECK_FALSE(pair.diff(one, text).files[0].tensors);
}

// What the same file looks like when it is cut in two ways.
TEST_CASE("content is compared, not its cuts") {
  const Pair pair;
  const Digest abcd = put_blob(pair.folder, "abcd"), ab = put_blob(pair.folder, "ab"),
               cd = put_blob(pair.folder, "cd");
  const Digest ce = put_blob(pair.folder, "ce");
  const Bundle base = pair.pack({{"f.txt", "abcd"}});
  const auto with = [&](std::vector<Segment> segments) {
    Bundle bundle = base;
    for (BundleFile& file : bundle.files)
      if (file.path.text() == "f.txt") file.segments = std::move(segments);
    return bundle;
  };
  CHECK(lines(pair.diff(with({{abcd, 0, 4}}), with({{ab, 0, 2}, {cd, 0, 2}}))).empty());
  CHECK(lines(pair.diff(with({{ab, 0, 2}, {abcd, 2, 2}}), with({{abcd, 0, 3}, {cd, 1, 1}}))).empty());
  CHECK(lines(pair.diff(with({{abcd, 0, 4}}), with({{ab, 0, 2}, {ce, 0, 2}}))) == Lines{"f.txt changed"});
}
