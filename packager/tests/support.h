// What the packager's tests share: a temporary folder and a small model.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "common/fd.h"

namespace mrun::testing {

struct Folder {
  explicit Folder(const std::string& parent = "/tmp") {
    std::string pattern = parent + "/mrun-packager-XXXXXX";
    path = ::mkdtemp(pattern.data());
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path); }

  void write(const std::string& name, std::string_view bytes) const {
    std::filesystem::create_directories((path / name).parent_path());
    std::filesystem::remove(path / name);
    std::ofstream(path / name, std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  std::string read(const std::string& name) const {
    return read_file((path / name).string(), 1U << 30, ErrorCode::io, ErrorCode::io).value();
  }

  std::filesystem::path path;
};

inline constexpr std::string_view k_small_manifest = R"(mrun: 1
name: demo/small
description: A small model
license: MIT
engine: echo
model: model.bin
files: [model.bin, "*.txt"]
inputs:
  text: {type: string, min_length: 1, max_length: 5}
  n: {type: integer, default: 3, ge: 1, le: 10}
output: {type: any}
)";

} // namespace mrun::testing
