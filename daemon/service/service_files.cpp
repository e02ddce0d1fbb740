// Output files and uploads.
#include <algorithm>
#include <cerrno>
#include <variant>

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "common/log.h"
#include "common/media_type.h"
#include "common/text.h"
#include "daemon/service/outputs.h"
#include "daemon/service/service_impl.h"
#include "packager/sha256.h"

namespace mrun {
namespace {

constexpr std::size_t k_hash_chunk_bytes = 256 * k_kib;
constexpr std::chrono::minutes k_expiry_period{30};

tl::unexpected<Error> no_file(const std::string& id) {
  return fail(ErrorCode::file_not_found, fmt::format("there is no uploaded file '{}'", printable(id, 60)));
}

// Size, hash and, when nobody told it, the media type of what was uploaded.
Result<void> describe(int fd, UploadedFile& file) {
  MRUN_ASSIGN(file.size_bytes, file_size(fd, "an upload"));
  Sha256 hash;
  std::string chunk(k_hash_chunk_bytes, '\0');
  for (std::uint64_t offset = 0; offset < file.size_bytes;) {
    const ssize_t got = ::pread(fd, chunk.data(), chunk.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return fail_errno(ErrorCode::io, got < 0 ? errno : EIO, "can't read an upload");
    const std::string_view part(chunk.data(), static_cast<std::size_t>(got));
    if (offset == 0) file.media_type = effective_media_type(file.media_type, part.substr(0, 64));
    hash.update(part);
    offset += part.size();
  }
  if (file.media_type.empty()) file.media_type = "application/octet-stream";
  file.sha256_hex = hash.finish().hex();
  return {};
}

// An output file as a caller sees it: a small one as a data: URI, a larger one as an address.
Result<Json> dress_file(const BlobFolder& blobs, const StoredOutput& output, std::size_t index,
                        const std::string& address) {
  const auto link = [&] { return Json(fmt::format("{}/outputs/{}", address, index)); };
  if (output.size_bytes > k_inline_file_bytes) return link();
  const Result<UniqueFd> fd = blobs.get(output.digest.hex());
  if (!fd && fd.error().code == ErrorCode::file_not_found) return link(); // removed by hand; the rest is told
  if (!fd) return tl::unexpected(fd.error());
  MRUN_ASSIGN(const std::string bytes, read_all(fd->get(), k_inline_file_bytes, "an output", ErrorCode::io));
  return Json(fmt::format("data:{};base64,{}", output.media_type, base64_encode(bytes)));
}

// The stored output file that a mark stands for; nullopt when its row says something else.
Result<std::optional<StoredOutput>> output_of(const FileMark& mark, const std::vector<StoredOutput>* held,
                                              const std::string& id, ReaderDatabase& reader) {
  std::optional<StoredOutput> output;
  if (held != nullptr) {
    if (mark.index < held->size()) output = (*held)[mark.index];
  } else if (Result<StoredOutput> stored = reader.output(id, mark.index)) {
    output = std::move(*stored);
  } else if (stored.error().code != ErrorCode::file_not_found) {
    return tl::unexpected(std::move(stored).error());
  }
  if (output && output->digest.text() != mark.digest) output.reset();
  return output;
}

} // namespace

void Service::externalize_output(Prediction prediction, std::string base_url, Callback<Prediction> done) {
  if (!has_file_mark(prediction.output)) return done(std::move(prediction));
  const std::string address = fmt::format("{}/mrun/v1/predictions/{}", base_url, prediction.id);
  // Of one that is (or lately was) live the files are known here; its rows may not be there yet.
  std::shared_ptr<std::vector<StoredOutput>> held; // shared only because a std::function must be copyable
  if (const LivePtr live = find(prediction.id))
    held = std::make_shared<std::vector<StoredOutput>>(live->outputs);
  m_background.call<Prediction>(
      [this, prediction = std::move(prediction), address,
       held](ReaderDatabase& reader) mutable -> Result<Prediction> {
        const auto dress = [&](Json& value) -> Result<void> {
          const auto mark = file_mark(value);
          if (!mark) return {};
          MRUN_ASSIGN(const auto output, output_of(*mark, held.get(), prediction.id, reader));
          if (!output) return {};
          MRUN_ASSIGN(value, dress_file(m_outputs, *output, mark->index, address));
          return {};
        };
        if (prediction.output.is_array()) {
          for (Json& item : prediction.output)
            MRUN_TRY(dress(item));
        } else {
          MRUN_TRY(dress(prediction.output));
        }
        return std::move(prediction);
      },
      std::move(done));
}

void Service::open_output(const std::string& id, std::size_t index, Callback<OutputFile> done) {
  const auto open = [this](const StoredOutput& output) -> Result<OutputFile> {
    MRUN_ASSIGN(UniqueFd fd, m_outputs.get(output.digest.hex()));
    return OutputFile{output.media_type, output.name, output.size_bytes, std::move(fd)};
  };
  const LivePtr live = find(id);
  if (live != nullptr && index < live->outputs.size()) return done(open(live->outputs[index]));
  m_background.call<OutputFile>(
      [id, index, open](ReaderDatabase& reader) -> Result<OutputFile> {
        MRUN_TRY(reader.get(id)); // an unknown prediction is told as such
        MRUN_ASSIGN(const StoredOutput output, reader.output(id, index));
        return open(output);
      },
      std::move(done));
}

Result<UniqueFd> Service::begin_upload() {
  if (m_draining) return fail(ErrorCode::draining, "the daemon is stopping and takes no uploads");
  return m_files.begin();
}

void Service::finish_upload(UniqueFd fd, std::string name, std::string media_type,
                            Callback<UploadedFile> done) {
  auto file = std::make_shared<UploadedFile>();
  file->created_ns = m_clock.wall_ns();
  file->expires_ns = file->created_ns + std::chrono::nanoseconds(k_file_lifetime).count();
  file->id = new_prediction_id(file->created_ns);
  file->name = std::move(name);
  file->media_type = std::move(media_type);
  auto shared_fd = std::make_shared<UniqueFd>(std::move(fd)); // a std::function must be copyable
  m_background.call<std::monostate>(
      [this, file, shared_fd](ReaderDatabase&) -> Result<std::monostate> {
        MRUN_TRY(describe(shared_fd->get(), *file));
        MRUN_TRY(m_files.publish(shared_fd->get(), file->id));
        return std::monostate();
      },
      [this, file, done = std::move(done)](const Result<std::monostate>& stored) {
        if (!stored) return done(tl::unexpected(stored.error()));
        m_writer.submit({[file](WriterDatabase& database) { return database.insert_file(*file); },
                         [this, file, done](const Result<void>& written) {
                           note_database(written);
                           if (!written) return done(tl::unexpected(written.error()));
                           m_uploads[file->id] = *file;
                           done(*file);
                         },
                         true});
      });
}

const UploadedFile* Service::upload(const std::string& id) const {
  const auto found = m_uploads.find(id);
  return found == m_uploads.end() || found->second.expires_ns <= m_clock.wall_ns() ? nullptr : &found->second;
}

Result<InputFile> Service::open_upload(const std::string& id) const {
  const UploadedFile* file = upload(id);
  if (file == nullptr) return no_file(id);
  MRUN_ASSIGN(UniqueFd fd, m_files.get(id));
  return InputFile{file->name, file->media_type, file->size_bytes, std::move(fd)};
}

void Service::get_file(const std::string& id, Callback<UploadedFile> done) {
  const UploadedFile* file = upload(id);
  if (file == nullptr) return done(no_file(id));
  done(*file);
}

// Ids begin with their time, so the map's order is that of the uploads.
Result<FilePage> Service::list_files(const std::string& cursor, std::size_t limit) const {
  if (!cursor.empty() && !is_prediction_id(cursor))
    return fail(ErrorCode::request_invalid,
                fmt::format("cursor '{}' is not one of this list", printable(cursor, 60)),
                "follow the `next` address of a page as it is");
  FilePage page;
  const std::int64_t now_ns = m_clock.wall_ns();
  for (auto at = cursor.empty() ? m_uploads.end() : m_uploads.lower_bound(cursor); at != m_uploads.begin();) {
    --at;
    if (at->second.expires_ns <= now_ns) continue;
    if (page.files.size() == std::max<std::size_t>(limit, 1)) {
      page.next_cursor = page.files.back().id;
      break;
    }
    page.files.push_back(at->second);
  }
  return page;
}

void Service::open_file(const std::string& id, Callback<OutputFile> done) {
  Result<InputFile> file = open_upload(id);
  if (!file) return done(tl::unexpected(std::move(file).error()));
  done(OutputFile{file->media_type, file->name, file->size_bytes, std::move(file->fd)});
}

void Service::remove_file(const std::string& id, Callback<UploadedFile> done) {
  const UploadedFile* file = upload(id);
  if (file == nullptr) return done(no_file(id));
  const UploadedFile removed = *file;
  m_uploads.erase(id);
  m_writer.submit({[id](WriterDatabase& database) { return database.remove_file(id); },
                   [this, id, removed, done = std::move(done)](const Result<void>& written) {
                     note_database(written);
                     if (!written) return done(tl::unexpected(written.error()));
                     m_background.run([this, id](ReaderDatabase&) {
                       if (const Result<void> gone = m_files.remove(id); !gone)
                         log_warn("an upload was not removed: {}", gone.error().message);
                     });
                     done(removed);
                   },
                   false});
}

void Service::remove_expired() {
  std::vector<std::string> expired;
  for (const auto& [id, file] : m_uploads)
    if (file.expires_ns <= m_clock.wall_ns()) expired.push_back(id);
  for (const std::string& id : expired) {
    m_uploads.erase(id);
    m_writer.submit({[id](WriterDatabase& database) { return database.remove_file(id); },
                     [this](const Result<void>& written) { note_database(written); }, false});
    m_background.run([this, id](ReaderDatabase&) {
      if (const Result<void> gone = m_files.remove(id); !gone)
        log_warn("an upload was not removed: {}", gone.error().message);
    });
  }
  m_expiry.expires_after(k_expiry_period);
  m_expiry.async_wait([this](const boost::system::error_code& stopped) {
    if (!stopped) remove_expired();
  });
}

} // namespace mrun
