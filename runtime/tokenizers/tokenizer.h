// A text to token ids, as Hugging Face `tokenizers` does it for BERT's WordPiece.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace mrun {

struct EncodeOptions {
  std::size_t max_tokens = 0;   // with special tokens; 0: no limit
  bool truncate_left = false;   // drops tokens at the front
  std::size_t pad_to = 0;       // at least that many
  std::size_t pad_multiple = 0; // and a multiple of that
  bool pad_left = false;
  std::int64_t pad_id = 0;
  std::int64_t pad_type_id = 0;
  bool special_tokens = true;
};

struct Encoding {
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> mask; // 1 for tokens, 0 for padding
  std::vector<std::int64_t> type_ids;
  std::size_t truncated = 0; // tokens of the text that were dropped
};

// Immutable; any thread.
class Tokenizer {
 public:
  // `source`: the tokenizer.json; `name`: its path, for messages and for the name of the prepared form.
  // `cache_dir_fd`: where prepared forms are kept, or -1. Maps the prepared form if it is there, whole and of
  // this source; else parses the source and leaves a prepared form for the next time (failing to write it is
  // no error). The source is not used after the return. Errors: load_failed, engine_unsupported (see
  // parse_tokenizer_json).
  static Result<Tokenizer> load(std::string_view source, std::string_view name, int cache_dir_fd);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  EncodeOptions file_options() const; // truncation and padding as the file has them
  std::size_t special_count() const;  // tokens added around the text
  bool was_prepared() const;          // load found a prepared form

  // `text` is valid UTF-8. max_tokens, when given, is at least special_count().
  Encoding encode(std::string_view text, const EncodeOptions& options) const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> m_impl;
};

// The name of the prepared form in the cache folder.
std::string prepared_file_name(std::string_view tokenizer_path);

} // namespace mrun
