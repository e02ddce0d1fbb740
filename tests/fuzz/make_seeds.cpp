// Writes the seeds that are no text, or hold digests: FOLDER/TARGET/NAME.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <utility>
#include <vector>

#include <archive.h>
#include <archive_entry.h>

#include "common/tests/zip_writer.h"
#include "packager/sha256.h"
#include "packager/signing/signature_artifact.h"
#include "packager/signing/tests/test_keys.h"
#include "packager/tests/support.h"
#include "packager/tests/support_weights.h"
#include "runtime/media/npy.h"
#include "runtime/media/safetensors.h"
#include "runtime/media/tests/reference.h"
#include "runtime/media/tests/sound_reference.h"
#include "runtime/messages.h"

using namespace mrun;

namespace {

constexpr std::string_view k_divider = "\n----\n";

class Folder {
 public:
  explicit Folder(std::filesystem::path path) : m_path(std::move(path)) {}

  void put(const std::string& target, const std::string& name, std::string_view bytes) const {
    std::filesystem::create_directories(m_path / target);
    std::ofstream(m_path / target / name, std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

 private:
  std::filesystem::path m_path;
};

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts)
    out += (&text == texts.data() ? "" : std::string(k_divider)) + text;
  return out;
}

// ---- weights ---------------------------------------------------------------------------------------------

std::string zip(bool zip64) {
  test::ZipWriter writer;
  writer.zip64 = zip64;
  writer.add("model/data.pkl", "not code");
  writer.add("model/data/0", std::string(64, 'w'));
  writer.add("model/version", "3\n");
  return writer.finish();
}

std::string gguf() {
  return testing::gguf_file({{"general.architecture", "llama"}, {"general.name", "Small"}},
                            {{"token_embd.weight", std::string(40, 'a')}, {"output.weight", "bcd"}});
}

// Numbers, a list and an alignment in front of one tensor.
std::string gguf_of_values() {
  const auto put_text = [](std::string& out, std::string_view text) {
    testing::put_number<std::uint64_t>(out, text.size());
    out += text;
  };
  std::string out = "GGUF";
  testing::put_number<std::uint32_t>(out, 3);
  testing::put_number<std::uint64_t>(out, 1);
  testing::put_number<std::uint64_t>(out, 3);
  put_text(out, "general.alignment");
  testing::put_number<std::uint32_t>(out, 4);
  testing::put_number<std::uint32_t>(out, 16);
  put_text(out, "tokenizer.ggml.tokens");
  testing::put_number<std::uint32_t>(out, 9);
  testing::put_number<std::uint32_t>(out, 8);
  testing::put_number<std::uint64_t>(out, 2);
  put_text(out, "a");
  put_text(out, "bc");
  put_text(out, "llama.context_length");
  testing::put_number<std::uint32_t>(out, 10);
  testing::put_number<std::uint64_t>(out, 2048);
  put_text(out, "blk.0.attn_q.weight");
  testing::put_number<std::uint32_t>(out, 2);
  testing::put_number<std::uint64_t>(out, 32);
  testing::put_number<std::uint64_t>(out, 2);
  testing::put_number<std::uint32_t>(out, 8); // Q8_0
  testing::put_number<std::uint64_t>(out, 0);
  out.resize((out.size() + 15) / 16 * 16 + 68);
  return out;
}

std::string safetensors() {
  return testing::safetensors_file({{"a", "0123"}, {"b", "45"}}, "made by hand");
}

void put_weights(const Folder& folder) {
  folder.put("weights", "safetensors", safetensors());
  folder.put("weights", "gguf", gguf());
  folder.put("weights", "gguf_values", gguf_of_values());
  for (const char* target : {"zip", "weights"}) {
    folder.put(target, "zip", zip(false));
    folder.put(target, "zip64", zip(true));
  }
}

void put_tensor_files(const Folder& folder) {
  for (const DType type : {DType::f32, DType::i64, DType::boolean}) {
    const Tensor tensor = Tensor::make(type, {2, 3}).value();
    folder.put("tensor_files", "npy_" + std::string(dtype_name(type)), write_npy(tensor).value());
  }
  const std::vector<std::pair<std::string, Tensor>> named = {{"a", Tensor::make(DType::bf16, {2}).value()},
                                                             {"b", Tensor::make(DType::u8, {0, 4}).value()}};
  folder.put("tensor_files", "safetensors", write_safetensors(named).value());
  folder.put("tensor_files", "fortran",
             std::string("\x93NUMPY\x01\x00\x46\x00", 10) +
                 "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }           \n" +
                 std::string(8, '\1'));
}

// ---- pictures and sounds
// ---------------------------------------------------------------------------------

std::string file_name(std::string name) {
  std::ranges::replace(name, ' ', '_');
  return name;
}

void put_media(const Folder& folder) {
  for (const auto& [name, picture] : test::reference_pictures())
    folder.put("image", file_name(name), picture.file);
  for (const auto& [name, sound] : test::sound_reference().at("sounds").items())
    folder.put("sound", file_name(name), test::bytes_of(sound.at("file")));
}

// ---- PyTorch files
// ---------------------------------------------------------------------------------------

std::string archive_of(const std::vector<std::pair<std::string, std::string>>& members) {
  test::ZipWriter writer;
  for (const auto& [name, bytes] : members)
    writer.add("m/" + name, bytes);
  return writer.finish();
}

void put_torch_files(const Folder& folder) {
  for (const std::string name : {"parity", "cond_true", "map"}) {
    const auto program =
        read_file(MRUN_FUZZ_SEEDS "/program/" + name, 64 * k_kib, ErrorCode::io, ErrorCode::io);
    MRUN_CHECK(program.has_value());
    folder.put("torch_file", name, archive_of({{"models/model.json", *program}, {"version", "3"}}));
  }
  const std::string code = "class Net(Module):\n  weight : Tensor\n"
                           "  def forward(self: __torch__.my.Net,\n    x: Tensor, n: int=3) -> Tensor:\n"
                           "    return ops.quantized.linear(torch.add(x, n), self.weight)\n";
  folder.put("torch_file", "script",
             archive_of({{"data.pkl", "\x80\x02"
                                      "c__torch__.my\nNet\nq\x01"},
                         {"code/__torch__/my.py", code},
                         {"data/0", std::string(64, 'w')}}));
  folder.put("torch_file", "aoti",
             archive_of({{"data/aotinductor/model/c.wrapper.so", "\x7f"
                                                                 "ELF"},
                         {"data/aotinductor/model/c.wrapper_metadata.json",
                          R"({"AOTI_DEVICE_KEY":"cpu","AOTI_PLATFORM":"linux","AOTI_MACHINE":"x86_64",)"
                          R"("AOTI_CPU_ISA":"AVX2"})"}}));
}

void put_imports(const Folder& folder) {
  const std::string card =
      "---\nlicense: apache-2.0\npipeline_tag: text-generation\n---\n# Small\n\nA small model.\n";
  const std::string config =
      R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":64,"max_position_embeddings":2048})";
  const std::string tokenizer = R"({"chat_template":"{{ messages }}"})";
  folder.put("import", "safetensors", joined({card, config, tokenizer, safetensors()}));
  folder.put("import", "gguf", joined({card, "", "", gguf()}));
}

// ---- archives
// ----------------------------------------------------------------------------------------------

std::string tar(int format, int filter) {
  std::string out;
  const std::unique_ptr<archive, int (*)(archive*)> writer(::archive_write_new(), &::archive_write_free);
  const auto append = [](archive*, void* to, const void* bytes, std::size_t size) -> la_ssize_t {
    static_cast<std::string*>(to)->append(static_cast<const char*>(bytes), size);
    return static_cast<la_ssize_t>(size);
  };
  MRUN_CHECK(::archive_write_set_format(writer.get(), format) == ARCHIVE_OK);
  MRUN_CHECK(::archive_write_add_filter(writer.get(), filter) == ARCHIVE_OK);
  ::archive_write_set_bytes_in_last_block(writer.get(), 1);
  MRUN_CHECK(::archive_write_open(writer.get(), &out, nullptr, append, nullptr) == ARCHIVE_OK);
  const std::vector<std::pair<std::string, std::string>> files = {
      {"config.json", "{}"}, {"sub/" + std::string(120, 'n') + ".bin", std::string(700, 'w')}, {"a.txt", ""}};
  for (const auto& [name, content] : files) {
    const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(::archive_entry_new(),
                                                                         &::archive_entry_free);
    ::archive_entry_set_pathname(entry.get(), name.c_str());
    ::archive_entry_set_filetype(entry.get(), AE_IFREG);
    ::archive_entry_set_perm(entry.get(), 0644);
    ::archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
    MRUN_CHECK(::archive_write_header(writer.get(), entry.get()) == ARCHIVE_OK);
    ::archive_write_data(writer.get(), content.data(), content.size());
  }
  ::archive_write_close(writer.get());
  return out;
}

void put_archives(const Folder& folder) {
  folder.put("archive", "tar_pax", tar(ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, ARCHIVE_FILTER_NONE));
  folder.put("archive", "tar_gnu", tar(ARCHIVE_FORMAT_TAR_GNUTAR, ARCHIVE_FILTER_NONE));
  folder.put("archive", "tar_gzip", tar(ARCHIVE_FORMAT_TAR_GNUTAR, ARCHIVE_FILTER_GZIP));
  folder.put("archive", "tar_zstd", tar(ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, ARCHIVE_FILTER_ZSTD));
}

// ---- bundles and signatures
// --------------------------------------------------------------------------------

void put_bundles(const Folder& folder) {
  const auto claim = [](std::string_view bytes) { return BlobClaim{Sha256::of(bytes), bytes.size()}; };
  const auto whole = [&](std::string_view path, std::string_view bytes, unsigned mode) {
    return BundleFile{
        SafePath::parse(path).value(), mode, bytes.size(), {{Sha256::of(bytes), 0, bytes.size()}}};
  };
  BundleParts parts;
  parts.files = {whole("mrun.yaml", testing::k_small_manifest, 0644), whole("model.bin", "weights", 0644),
                 whole("run.sh", "#!/bin/sh\n", 0755)};
  const std::string manifest(testing::k_small_manifest);
  const BlobClaim config = claim("{}");
  folder.put("bundle", "whole", joined({encode_bundle(parts, config), "", "{}", manifest}));
  parts.pieces = {claim("first piece"), claim("second piece")};
  parts.files[1].segments = {{parts.pieces[0].digest, 0, 11}, {parts.pieces[1].digest, 3, 5}};
  parts.files[1].size = 16;
  const std::string recipe = encode_recipe(parts);
  parts.recipe = claim(recipe);
  folder.put("bundle", "cut", joined({encode_bundle(parts, config), recipe, "{}", manifest}));
}

void put_signatures(const Folder& folder) {
  const PrivateKey key = testing::private_key(testing::k_ed25519_private);
  const std::string signed_text = sign_version(Sha256::of("{}"), key).value();
  const SignatureArtifact artifact = make_signature_artifact({Sha256::of("{}"), 2}, signed_text);
  folder.put("signature", "signed", joined({artifact.bundle, artifact.manifest}));
  folder.put("signature", "other_statement",
             joined({testing::signed_bundle(key, k_statement_media_type, R"({"_type":"other"})"),
                     artifact.manifest}));
  for (const auto& [name, pem] : {std::pair{"ed25519", testing::k_ed25519_private},
                                  {"ed25519_public", testing::k_ed25519_public},
                                  {"p256", testing::k_p256_private},
                                  {"p384", testing::k_p384_private}})
    folder.put("key", name, pem);
  folder.put("key", "p256_public", testing::private_key(testing::k_p256_private).public_key().pem());
}

// ---- frames
// ------------------------------------------------------------------------------------------------

std::string packet(char files, const Json& header, std::string_view payload) {
  const std::string text = canonical_json(header);
  std::string out(1, files);
  testing::put_number<std::uint32_t>(out, static_cast<std::uint32_t>(text.size()));
  return out + text + std::string(payload);
}

void put_frames(const Folder& folder) {
  folder.put("frames", "output", packet('\0', output_message(1, "json"), "[1,2]"));
  folder.put("frames", "file", packet('\1', output_file_message(1, "image/png", "a.png"), ""));
  Json with_payload = log_message(1, "info");
  with_payload["payload"] = {{"fd", 0}, {"size", 8}};
  folder.put("frames", "memory", packet('\1', with_payload, ""));
  DoneMessage done;
  done.id = 1;
  done.status = "succeeded";
  folder.put("frames", "done", packet('\0', done_message(done), "{}"));
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  const Folder folder(argv[1]);
  put_weights(folder);
  put_tensor_files(folder);
  put_media(folder);
  put_torch_files(folder);
  put_imports(folder);
  put_archives(folder);
  put_bundles(folder);
  put_signatures(folder);
  put_frames(folder);
  return 0;
}
