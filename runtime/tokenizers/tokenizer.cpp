#include "runtime/tokenizers/tokenizer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include <fmt/format.h>

#include "common/fd.h"
#include "common/fs.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"
#include "runtime/tokenizers/added_tokens.h"
#include "runtime/tokenizers/prepared.h"
#include "runtime/tokenizers/word_piece.h"

namespace mrun {
namespace {

constexpr unsigned k_cache_mode = 0600;

std::optional<Mapping> map_prepared(int cache_dir_fd, const std::string& name) {
  auto fd = real_file_system().open(cache_dir_fd, name, O_RDONLY | O_CLOEXEC, 0);
  if (!fd) return std::nullopt;
  const auto size = file_size(fd->get(), name);
  if (!size || *size == 0 || *size > 4 * k_max_tokenizer_bytes) return std::nullopt;
  auto mapping = Mapping::map(fd->get(), 0, static_cast<std::size_t>(*size));
  return mapping ? std::optional(*std::move(mapping)) : std::nullopt;
}

// Written beside and renamed, so that a reader sees all of it or nothing. Not synced: a form damaged by a
// power cut fails its checksum and is made again.
Result<void> keep_prepared(int cache_dir_fd, const std::string& name, std::string_view block) {
  static std::atomic<unsigned> counter = 0; // two threads of one process may prepare the same file
  const std::string temporary = fmt::format("{}.{}.{}.tmp", name, ::getpid(), counter.fetch_add(1));
  FileSystem& files = real_file_system();
  MRUN_ASSIGN(const UniqueFd fd,
              files.open(cache_dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, k_cache_mode));
  auto written = files.write(fd.get(), block);
  if (written) written = files.rename(cache_dir_fd, temporary, name);
  if (!written) (void)files.unlink(cache_dir_fd, temporary);
  return written;
}

void pad(Encoding& encoding, const EncodeOptions& options) {
  std::size_t target = std::max(encoding.ids.size(), options.pad_to);
  if (options.pad_multiple > 0 && target % options.pad_multiple != 0)
    target += options.pad_multiple - target % options.pad_multiple;
  const std::size_t missing = target - encoding.ids.size();
  const auto fill = [&](std::vector<std::int64_t>& values, std::int64_t value) {
    values.insert(options.pad_left ? values.begin() : values.end(), missing, value);
  };
  fill(encoding.ids, options.pad_id);
  fill(encoding.mask, 0);
  fill(encoding.type_ids, options.pad_type_id);
}

} // namespace

struct Tokenizer::Impl {
  Mapping mapping;   // holds the block when it came from the cache
  std::string built; // holds it otherwise
  PreparedTokenizer prepared;
  AddedTokenFinder raw_added, normalized_added;
  bool was_prepared = false;

  std::vector<std::int64_t> text_ids(std::string_view text) const;
};

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : m_impl(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::string prepared_file_name(std::string_view tokenizer_path) {
  return fmt::format("tokenizer-{:016x}.bin", fast_hash(tokenizer_path));
}

Result<Tokenizer> Tokenizer::load(std::string_view source, std::string_view name, int cache_dir_fd) {
  if (source.size() > k_max_tokenizer_bytes)
    return fail(ErrorCode::load_failed,
                fmt::format("`{}` has {}, a tokenizer has at most {}", printable(name, 80),
                            format_bytes(source.size()), format_bytes(k_max_tokenizer_bytes)));
  const SourceStamp stamp = SourceStamp::of(source);
  const std::string file = prepared_file_name(name);
  auto impl = std::make_unique<Impl>();
  std::optional<PreparedTokenizer> prepared;
  if (cache_dir_fd >= 0)
    if (std::optional<Mapping> mapping = map_prepared(cache_dir_fd, file)) {
      prepared = PreparedTokenizer::open(mapping->text(), stamp);
      impl->mapping = *std::move(mapping);
    }
  impl->was_prepared = prepared.has_value();
  if (!prepared) {
    MRUN_ASSIGN(const ParsedTokenizer parsed, parse_tokenizer_json(source, name));
    impl->built = prepare_tokenizer(parsed, stamp);
    prepared = PreparedTokenizer::open(impl->built, stamp);
    MRUN_CHECK(prepared.has_value());
    if (cache_dir_fd >= 0)
      if (const auto kept = keep_prepared(cache_dir_fd, file, impl->built); !kept)
        log_warn("the prepared tokenizer was not kept: {}", kept.error().message);
  }
  impl->prepared = *std::move(prepared);
  impl->raw_added = AddedTokenFinder(impl->prepared.config(), false);
  impl->normalized_added = AddedTokenFinder(impl->prepared.config(), true);
  return Tokenizer(std::move(impl));
}

EncodeOptions Tokenizer::file_options() const {
  const TokenizerConfig& config = m_impl->prepared.config();
  EncodeOptions options;
  if (config.truncation) {
    options.max_tokens = config.truncation->max_length;
    options.truncate_left = config.truncation->left;
  }
  if (config.padding) {
    options.pad_to = config.padding->fixed;
    options.pad_multiple = config.padding->multiple;
    options.pad_left = config.padding->left;
    options.pad_id = config.padding->id;
    options.pad_type_id = config.padding->type_id;
  }
  return options;
}

std::size_t Tokenizer::special_count() const {
  return m_impl->prepared.config().special_count();
}
bool Tokenizer::was_prepared() const {
  return m_impl->was_prepared;
}

std::vector<std::int64_t> Tokenizer::Impl::text_ids(std::string_view text) const {
  std::vector<std::int64_t> ids;
  for (const AddedTokenFinder::Part& raw : raw_added.split(text)) {
    if (raw.id >= 0) {
      ids.push_back(raw.id);
      continue;
    }
    const std::string normalized = prepared.config().normalizer.normalize(raw.text);
    for (const AddedTokenFinder::Part& part : normalized_added.split(normalized)) {
      if (part.id >= 0)
        ids.push_back(part.id);
      else
        split_words(part.text, [&](std::string_view word) { append_word_pieces(prepared, word, ids); });
    }
  }
  return ids;
}

Encoding Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  const TokenizerConfig& config = m_impl->prepared.config();
  std::vector<std::int64_t> ids = m_impl->text_ids(text);
  Encoding encoding;
  if (options.max_tokens > 0) {
    const std::size_t specials = options.special_tokens ? config.special_count() : 0;
    MRUN_CHECK(options.max_tokens >= specials);
    const std::size_t room = options.max_tokens - specials;
    if (ids.size() > room) {
      encoding.truncated = ids.size() - room;
      const auto surplus = static_cast<std::ptrdiff_t>(encoding.truncated);
      if (options.truncate_left)
        ids.erase(ids.begin(), ids.begin() + surplus);
      else
        ids.erase(ids.end() - surplus, ids.end());
    }
  }
  for (const TemplatePiece& piece : config.pieces) {
    if (!piece.is_text && !options.special_tokens) continue;
    const std::vector<std::int64_t>& from = piece.is_text ? ids : piece.ids;
    encoding.ids.insert(encoding.ids.end(), from.begin(), from.end());
    encoding.type_ids.insert(encoding.type_ids.end(), from.size(),
                             options.special_tokens ? piece.type_id : 0);
  }
  encoding.mask.assign(encoding.ids.size(), 1);
  pad(encoding, options);
  return encoding;
}

} // namespace mrun
