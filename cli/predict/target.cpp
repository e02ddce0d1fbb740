#include "cli/predict/target.h"

#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "common/limits.h"
#include "packager/pack.h"
#include "packager/reference.h"

namespace mrun::cli {
namespace {

Result<Digest> pack_on_the_fly(const Context& context, Store& store, const std::string& argument) {
  const std::string folder = expand_home(argument);
  MRUN_ASSIGN(const HomePaths home, context.home());
  MRUN_ASSIGN(const PackResult packed,
              pack_directory(store, folder,
                             {.tag = {}, .untagged = true, .notes = home.pack_notes(), .on_progress = {}}));
  if (context.verbose)
    context.say(fmt::format("packed {} as {} (untagged, kept for {} h)", folder, packed.digest.short_hex(),
                            k_lease_lifetime.count()));
  return packed.digest;
}

} // namespace

std::string expand_home(const std::string& path) {
  const char* home = std::getenv("HOME");
  const bool tilde = path == "~" || path.starts_with("~/");
  return tilde && home != nullptr ? home + path.substr(1) : path;
}

Result<Store> open_store_to_read(const Context& context) {
  MRUN_ASSIGN(const HomePaths home, context.home());
  std::error_code error;
  const bool there = std::filesystem::exists(home.data / "oci-layout", error);
  if (error)
    return fail_errno(ErrorCode::home_refused, error.value(),
                      fmt::format("can't read the store {}", home.data.string()));
  if (!there)
    return fail(
        ErrorCode::model_not_found, fmt::format("the store {} is empty", home.data.string()),
        "pack a model with `mrun pack DIR`, or begin one with `mrun init DIR --template text-embedding`");
  return Store::open(home.data, true);
}

Result<Store> open_store_to_write(const Context& context) {
  MRUN_ASSIGN(const HomePaths home, context.home());
  MRUN_TRY(home.create());
  return Store::open(home.data);
}

void warn_of_engine(const Context& context, const Store& store, const Digest& version) {
  const auto install = context.install();
  const auto bundle = store.load(version);
  if (!install || !bundle || bundle->manifest.engine == "native") return;
  std::error_code ignored;
  if (std::filesystem::exists(install->engine(bundle->manifest.engine), ignored)) return;
  context.warn(
      fmt::format("this mrun has no engine `{}`: the model can't run here (`mrun version` lists them)",
                  bundle->manifest.engine));
}

Result<PredictTarget> find_target(const Context& context, const std::string& argument) {
  if (is_directory_argument(argument)) {
    MRUN_ASSIGN(Store store, open_store_to_write(context));
    MRUN_ASSIGN(const Digest digest, pack_on_the_fly(context, store, argument));
    MRUN_ASSIGN(Bundle bundle, store.load(digest));
    return PredictTarget{bundle.manifest.name, std::move(bundle)};
  }
  MRUN_ASSIGN(const Reference reference, Reference::parse(argument));
  MRUN_ASSIGN(const Store store, open_store_to_read(context));
  Result<Digest> digest = store.resolve(reference);
  if (!digest) {
    Error error = std::move(digest).error();
    std::error_code ignored;
    if (error.code == ErrorCode::model_not_found && std::filesystem::exists(argument + "/mrun.yaml", ignored))
      error.hint = fmt::format("for the folder write ./{}", argument);
    return tl::unexpected<Error>(std::move(error));
  }
  MRUN_ASSIGN(Bundle bundle, store.load(*digest));
  return PredictTarget{bundle.manifest.name, std::move(bundle)};
}

} // namespace mrun::cli
