#include "cli/docs/write.h"

#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "cli/docs/man_pages.h"
#include "cli/docs/markdown.h"

namespace mrun::cli {
namespace fs = std::filesystem;
namespace {

void write(const fs::path& path, const std::string& text) {
  std::ofstream file(path);
  file.exceptions(std::ios::failbit | std::ios::badbit);
  file << text;
}

void write_all(const fs::path& schema, const fs::path& folder) {
  fs::create_directories(folder);
  write(folder / "mrun.1", man_overview());
  for (const CommandSpec* command : all_commands())
    write(folder / fmt::format("mrun-{}.1", command->name), man_command(*command));
  std::ifstream file(schema);
  write(folder / "mrun.yaml.5", man_manifest(Json::parse(file)));
  write(folder / "cli.md", command_reference());
}

} // namespace

int write_docs(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: mrun-docs SCHEMA FOLDER\n", stderr);
    return 2;
  }
  try {
    write_all(argv[1], argv[2]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mrun-docs: %s\n", error.what());
    return 1;
  }
}

} // namespace mrun::cli
