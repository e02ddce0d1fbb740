#include "daemon/service/make_service.h"

#include "common/log.h"
#include "cost/worker_charge.h"
#include "daemon/service/service_impl.h"

namespace mrun {

Service::Service(boost::asio::io_context& io, ServiceConfig config, Store& store, WriterDatabase writer,
                 ReaderDatabase reader, ReaderDatabase ledger_reader, BlobFolder outputs, BlobFolder files,
                 std::vector<UploadedFile> uploads, std::vector<Token> tokens, Json run_counts,
                 const Clock& clock)
    : m_io(io),
      m_config(std::move(config)),
      m_store(store),
      m_clock(clock),
      m_started_ns(clock.monotonic_ns()),
      m_outputs(std::move(outputs)),
      m_files(std::move(files)),
      m_tokens(std::move(tokens)),
      m_expiry(io),
      m_retry(io),
      m_writer(io, std::move(writer)),
      m_background(io, std::move(reader), "mrund-reader"),
      m_ledger_reader(io, std::move(ledger_reader), "mrund-ledger"),
      m_resolver(store, m_background),
      m_runner(
          std::make_unique<Runner>(io, m_config.runner, store, static_cast<RunListener&>(*this), clock)) {
  for (std::optional<PriceRow>* row : {&m_config.cpu_reference, &m_config.cuda_reference})
    if (*row) *row = row_for_lines(std::move(**row));
  for (UploadedFile& file : uploads)
    m_uploads[file.id] = std::move(file);
  for (const auto& [model, runs] : run_counts.items())
    m_runs[model] = runs.get<std::int64_t>();
  remove_expired();
}

Result<std::unique_ptr<PredictionService>> make_prediction_service(boost::asio::io_context& io,
                                                                   ServiceConfig config, Store& store,
                                                                   WriterDatabase database,
                                                                   const Clock& clock) {
  MRUN_ASSIGN(ReaderDatabase reader, ReaderDatabase::open(config.home.database().string()));
  MRUN_ASSIGN(ReaderDatabase ledger_reader, ReaderDatabase::open(config.home.database().string()));
  MRUN_ASSIGN(BlobFolder outputs, BlobFolder::open(config.home.state / "outputs"));
  MRUN_ASSIGN(BlobFolder files, BlobFolder::open(config.home.state / "files"));
  MRUN_TRY(outputs.clean());
  MRUN_ASSIGN(std::vector<UploadedFile> uploads, reader.files());
  std::set<std::string> known;
  for (const UploadedFile& file : uploads)
    known.insert(file.id);
  MRUN_TRY(files.keep_only(known));
  MRUN_ASSIGN(std::vector<Token> tokens, reader.tokens());
  MRUN_ASSIGN(Json run_counts, reader.run_counts());
  return std::make_unique<Service>(io, std::move(config), store, std::move(database), std::move(reader),
                                   std::move(ledger_reader), std::move(outputs), std::move(files),
                                   std::move(uploads), std::move(tokens), std::move(run_counts), clock);
}

} // namespace mrun
