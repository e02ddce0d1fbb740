// A limit on everything that a user, a file or a peer can make grow. docs/limits.md lists them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace mrun {

inline constexpr std::size_t k_kib = 1024;
inline constexpr std::size_t k_mib = 1024 * k_kib;

// Text formats
inline constexpr std::size_t k_max_path_bytes = 4096;
inline constexpr std::size_t k_max_manifest_bytes = 1 * k_mib; // mrun.yaml
inline constexpr std::size_t k_max_manifest_nodes = 100'000;
inline constexpr std::size_t k_max_manifest_depth = 64;
inline constexpr std::size_t k_max_json_depth = 64;
inline constexpr std::size_t k_max_body_values =
    1'000'000; // JSON values of a request: 16 bytes each and more
inline constexpr std::size_t k_max_output_values = 2'000'000; // of one output
inline constexpr std::size_t k_max_bundle_files = 100'000;
inline constexpr std::size_t k_max_oci_manifest_bytes = 4 * k_mib;
inline constexpr std::size_t k_max_index_bytes = 64 * k_mib;
inline constexpr std::size_t k_max_key_bytes = 64 * k_kib;        // a key in PEM
inline constexpr std::size_t k_max_signature_bytes = 256 * k_kib; // a signature bundle
inline constexpr std::size_t k_max_signatures = 64;               // of one version that are looked at
inline constexpr std::size_t k_max_recipe_bytes = 64 * k_mib;     // which segments make up the cut files
inline constexpr std::size_t k_max_recipe_values =
    2'500'000; // JSON values, 80 bytes of memory each: four of a segment, six of a file
inline constexpr std::uint64_t k_max_archive_ratio = 200; // what a compressed archive may grow to

// Pre and post steps
inline constexpr std::size_t k_max_image_pixels = 100'000'000; // decoded or resized
inline constexpr std::size_t k_max_image_side = 65'535;
inline constexpr std::size_t k_max_sound_samples = 128 * k_mib; // decoded or resampled, of all channels
inline constexpr std::size_t k_max_sound_channels = 64;
inline constexpr std::size_t k_max_sound_rate_hz = 768'000;
inline constexpr std::size_t k_max_tokenizer_bytes = 64 * k_mib;
inline constexpr std::size_t k_max_vocabulary = 4'000'000; // tokens
inline constexpr std::size_t k_max_tensor_rank = 16;

// HTTP
inline constexpr std::size_t k_max_head_bytes = 16 * k_kib;
inline constexpr std::size_t k_max_header_count = 64;
inline constexpr std::size_t k_max_body_bytes = 16 * k_mib;     // JSON bodies, data URIs included
inline constexpr std::size_t k_max_upload_bytes = 100 * k_mib;  // POST /v1/files
inline constexpr std::size_t k_inline_file_bytes = 256 * k_kib; // data URI up to here, a file above
inline constexpr std::size_t k_max_connections = 1024;          // on the Unix socket
inline constexpr std::size_t k_max_tcp_connections = 256;       // on all TCP addresses together
inline constexpr std::size_t k_max_tcp_addresses = 16;          // that the daemon listens at
inline constexpr std::size_t k_max_host_names = 64; // that may stand in Host besides the addresses
inline constexpr std::size_t k_max_tokens = 1000;
inline constexpr std::size_t k_max_token_name_bytes = 64;
inline constexpr std::size_t k_max_ledger_page = 1000;    // lines of one reply
inline constexpr std::size_t k_max_stats_groups = 10'000; // of one reply
inline constexpr std::chrono::seconds k_head_timeout{10};
inline constexpr std::chrono::seconds k_body_idle_timeout{30};
inline constexpr std::chrono::seconds k_keep_alive_timeout{60};  // an idle connection
inline constexpr std::chrono::seconds k_write_stall_timeout{30}; // a reply of which the caller reads nothing
inline constexpr std::chrono::seconds k_stream_stall_timeout{
    600}; // the same for an event stream (a paused terminal)
inline constexpr std::size_t k_stream_pending_bytes = 256 * k_kib; // then the stream waits for its reader
inline constexpr std::chrono::seconds k_max_wait{60};              // Prefer: wait
inline constexpr std::chrono::seconds k_keep_alive_comment{15};    // `:` lines on an event stream

// Frames between daemon and worker
inline constexpr std::size_t k_max_frame_header_bytes = 64 * k_kib;
inline constexpr std::size_t k_max_inline_payload_bytes = 64 * k_kib; // above: a sealed memfd
inline constexpr std::size_t k_max_payload_bytes = 1024 * k_mib;      // one output or input value
inline constexpr std::size_t k_max_frame_fds = 64;

// What a predictor module may give (runtime/mrun_predictor.h)
inline constexpr std::size_t k_max_value_name_bytes = 256;     // names and media types of values and files
inline constexpr std::size_t k_max_failure_bytes = 4 * k_kib;  // the message of a failure
inline constexpr std::size_t k_max_details_bytes = 64 * k_kib; // its details
inline constexpr int k_max_tensor_dims = 16;
inline constexpr int k_max_concurrency = 256; // predictions at once inside one worker

// Predictions
inline constexpr std::size_t k_max_queue_length = 256;    // per model version
inline constexpr std::size_t k_max_log_bytes = 1 * k_mib; // per prediction
inline constexpr std::size_t k_max_log_line_bytes = 8 * k_kib;
inline constexpr std::size_t k_max_worker_log_bytes = 8 * k_mib; // per worker, then rotated once
inline constexpr std::size_t k_max_output_items = 100'000;
inline constexpr std::size_t k_max_output_bytes =
    64 * k_mib; // of JSON and text of one prediction; files are apart
inline constexpr std::size_t k_max_json_output_bytes = 64 * k_mib; // one value; larger ones are files
inline constexpr std::size_t k_max_metrics = 256;
inline constexpr std::size_t k_max_tags = 16; // of one prediction
inline constexpr std::size_t k_max_tag_key_bytes = 64;
inline constexpr std::size_t k_max_tag_value_bytes = 128;
inline constexpr std::chrono::minutes k_prediction_timeout{30};
inline constexpr std::chrono::minutes k_load_timeout{5};
inline constexpr std::chrono::seconds k_first_load_backoff{1}; // after a failed load; doubles
inline constexpr std::chrono::seconds k_max_load_backoff{60};
inline constexpr std::size_t k_max_load_failures = 5; // within the window: cool-down
inline constexpr std::chrono::seconds k_load_failure_window{60};
inline constexpr std::chrono::seconds k_load_cool_down{60};
inline constexpr std::chrono::seconds k_swap_patience{2}; // a load waits so long behind busy models
inline constexpr std::chrono::seconds k_cancel_grace{5};  // then SIGTERM
inline constexpr std::chrono::seconds k_term_grace{5};    // then SIGKILL
inline constexpr std::chrono::seconds k_drain_timeout{30};
inline constexpr std::chrono::minutes k_zygote_idle{10};
inline constexpr std::chrono::hours k_lease_lifetime{24};
inline constexpr std::chrono::hours k_file_lifetime{24};

} // namespace mrun
