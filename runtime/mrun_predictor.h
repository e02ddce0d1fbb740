/* mrun_predictor.h: the predictor ABI, version 1.
 *
 * A predictor module is a shared object that exports one symbol, mrun_predictor_v1. mrun-worker opens it,
 * gives it a table of host functions and takes a table of predictor functions. mrun's own engines (torch,
 * echo) and a user's C or C++ plugin use this same door. C11 and C++ alike; no dependency but the C library.
 *
 * Rules
 *  - Every struct begins with struct_size, set by whoever fills it, and only ever grows at its end. A reader
 * looks at a member only when struct_size covers it. Reserved members are zero.
 *  - The same major version is required on both sides; a newer minor only adds.
 *  - Strings are UTF-8 with a length (mrun_text) and need no NUL. What a function receives is valid until it
 *    returns, unless it says otherwise; what it must keep it copies.
 *  - Nothing may throw through this interface.
 *  - Threads: warm, load and unload are called from the worker's main thread, never at the same time as
 * another call of the same model. start is called on a prediction thread; with concurrency n, up to n at
 * once. cancel comes from another thread while start runs, and may name a request that has just ended or not
 * begun: look it up. Host functions may be called from any thread.
 *  - A module never gets a path. Files come as mrun_file: mapped by span, or as a descriptor by open.
 */
#ifndef MRUN_PREDICTOR_H
#define MRUN_PREDICTOR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MRUN_ABI_MAJOR 1
#define MRUN_ABI_MINOR 0

#if defined(__GNUC__)
#define MRUN_EXPORT __attribute__((visibility("default")))
#else
#define MRUN_EXPORT
#endif

/* What a call came to. Values are stable. */
typedef int32_t mrun_status;
enum {
  MRUN_OK = 0,
  MRUN_FAILED = 1,        /* the model failed for this input; the worker is still good */
  MRUN_INVALID_INPUT = 2, /* the input is at fault */
  MRUN_UNSUPPORTED = 3,   /* the model file needs something that this predictor lacks */
  MRUN_CANCELLED = 4,     /* stopped because cancelled() said so */
  MRUN_OUT_OF_MEMORY = 5, /* the worker is ended after the reply */
  MRUN_DEVICE_ERROR = 6,  /* a device error that can't be recovered; the worker is ended after the reply */
  MRUN_MISMATCH = 7,      /* built for another version of a library */
  MRUN_MISSING = 8        /* a library that the predictor needs is not there */
};

typedef struct mrun_text {
  const char* data;
  size_t size;
} mrun_text;

/* A tensor view with DLPack's meanings (dmlc/dlpack, dlpack.h): type code 0 signed integer, 1 unsigned, 2
 * IEEE float, 4 bfloat16, 5 complex, 6 bool; device type 1 CPU, 2 CUDA. strides count elements; NULL means
 * contiguous in row-major order. data + byte_offset is the first element. The view owns nothing. */
typedef struct mrun_tensor {
  uint32_t struct_size;
  int32_t ndim;
  const int64_t* shape;   /* ndim entries, each >= 0 */
  const int64_t* strides; /* ndim entries or NULL */
  void* data;
  uint64_t byte_offset;
  uint8_t dtype_code;
  uint8_t dtype_bits;
  uint16_t dtype_lanes; /* 1 */
  int32_t device_type;
  int32_t device_id;
} mrun_tensor;

/* A file of the bundle or of an input. */
typedef struct mrun_file mrun_file;
struct mrun_file {
  uint32_t struct_size;
  mrun_text name; /* the path inside the bundle, or the input's file name */
  uint64_t size;  /* bytes */
  void* impl;
  /* Maps length bytes from offset, read-only, contiguous; valid until unload (bundle files) or until start
   * returns (input files). MRUN_FAILED when the range is outside of the file. */
  mrun_status (*span)(const mrun_file* file, uint64_t offset, uint64_t length, const void** data);
  /* A new read-only descriptor of the whole file at offset 0, which the caller closes. */
  mrun_status (*open)(const mrun_file* file, int* fd);
};

/* One named value: an input or an output. */
enum {
  MRUN_VALUE_JSON = 1,
  MRUN_VALUE_TENSOR = 2,
  MRUN_VALUE_FILE = 3,
  MRUN_VALUE_BYTES = 4,
  MRUN_VALUE_TEXT = 5
};
typedef struct mrun_value {
  uint32_t struct_size;
  int32_t kind;
  mrun_text name; /* input: the input's name or in.NAME; output: out.PATH for tensors, "output" otherwise */
  mrun_text text; /* JSON: JSON text. TEXT: plain text (a chunk of a streamed string). BYTES: the bytes */
  mrun_text media_type; /* BYTES: a MIME type such as image/png */
  const mrun_tensor* tensor;
  const mrun_file* file;
} mrun_value;

/* What load gets. */
typedef struct mrun_model {
  uint32_t struct_size;
  mrun_text spec_json;    /* docs/formats/model-spec.md: the manifest as JSON, device, threads */
  mrun_text main_file;    /* the manifest's `model:` */
  const mrun_file* files; /* every file of the bundle; valid until unload */
  size_t file_count;
  int32_t device_type; /* DLPack code */
  int32_t device_id;
  int32_t threads;     /* intra-op threads to use, >= 1 */
  int32_t concurrency; /* predictions at once, >= 1 */
} mrun_model;

/* One prediction. */
typedef struct mrun_request {
  uint32_t struct_size;
  uint64_t id;              /* of this worker; given back in emit, metric, cancelled, fail, finish */
  const mrun_value* inputs; /* tensors in.* made by pre steps, and every input by name as JSON or file */
  size_t input_count;
} mrun_request;

enum { MRUN_LOG_ERROR = 0, MRUN_LOG_WARN = 1, MRUN_LOG_INFO = 2, MRUN_LOG_DEBUG = 3 };

/* What the host gives. Valid as long as the module is loaded. request 0 means "not about one prediction". */
typedef struct mrun_host mrun_host;
struct mrun_host {
  uint32_t struct_size;
  uint16_t abi_major;
  uint16_t abi_minor;
  void* impl;
  /* A line for the prediction's log (request != 0) or the worker's. */
  void (*log)(const mrun_host* host, uint64_t request, int32_t level, mrun_text text);
  /* Gives one output value; the host copies before it returns. Tensors go to the post steps, which run when
   * start returns MRUN_OK; everything else goes to the caller at once, in order. Not MRUN_OK: stop and return
   * it. */
  mrun_status (*emit)(const mrun_host* host, uint64_t request, const mrun_value* value);
  /* A number for the prediction's metrics. Names: letters, digits, `_`, up to 128 bytes. */
  mrun_status (*metric)(const mrun_host* host, uint64_t request, mrun_text name, double value);
  /* Non-zero once the prediction should stop. Cheap: ask between steps. */
  int32_t (*cancelled)(const mrun_host* host, uint64_t request);
  /* Why the call that is about to return something else than MRUN_OK failed: one line, and optionally details
   * (node, operator, source line) that go to the log. During load, request is 0. */
  void (*fail)(const mrun_host* host, uint64_t request, mrun_text message, mrun_text details);
  /* The named phase of a load begins now and the one before it ends: "import", "map", "build", "copy",
   * "warmup". */
  void (*phase)(const mrun_host* host, mrun_text name);
  /* Memory that the host may account for; alignment is a power of two. release takes what allocate gave. */
  void* (*allocate)(const mrun_host* host, size_t size, size_t alignment);
  void (*release)(const mrun_host* host, void* pointer);
  /* For a predictor with MRUN_FINISHES_LATER: the prediction has ended. Called once per request. */
  void (*finish)(const mrun_host* host, uint64_t request, mrun_status status);
  /* A folder that outlives the process, for what is derived from this bundle only; a directory descriptor
   * that the host owns, or -1. */
  int (*cache_dir)(const mrun_host* host);
};

enum {
  MRUN_FINISHES_LATER = 1u << 0, /* start only accepts; each request ends by host->finish */
  MRUN_BATCHES_ITSELF = 1u << 1  /* the daemon sends every request at once and never batches */
};

/* What the module gives; static storage. */
typedef struct mrun_predictor {
  uint32_t struct_size;
  uint16_t abi_major;
  uint16_t abi_minor;
  uint32_t flags;
  mrun_text name;    /* "torch" */
  mrun_text version; /* of the engine and the library it runs on: "0.1.0 (torch 2.14.1)" */
  /* Optional. Called once in a zygote before any fork: load and touch what every model needs. Must leave the
   * process with one thread and no device context. */
  mrun_status (*warm)(const mrun_host* host);
  /* Reads the model; on MRUN_OK *model is the handle for the other calls. */
  mrun_status (*load)(const mrun_host* host, const mrun_model* description, void** model);
  /* Runs count >= 1 predictions as one batch and returns when all have ended (or, with MRUN_FINISHES_LATER,
   * when they are accepted). A status other than MRUN_OK fails all of them. */
  mrun_status (*start)(void* model, const mrun_request* requests, size_t count);
  /* Optional. The prediction should stop: a hint beside cancelled(). Never blocks. */
  void (*cancel)(void* model, uint64_t request);
  void (*unload)(void* model);
} mrun_predictor;

/* The one exported symbol. NULL when the host's major version or size does not fit. */
MRUN_EXPORT const mrun_predictor* mrun_predictor_v1(const mrun_host* host);

#ifdef __cplusplus
}
#endif
#endif
