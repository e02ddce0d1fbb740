"""Goal: a blob that somebody cuts short under a loaded model ends that prediction with the way to mend it, and nothing
else; what is damaged is found, removed and fetched again."""

import subprocess

from harness import SANITIZED, run

MODULE = r"""
#include <string.h>
#include "mrun_predictor.h"
static const mrun_host* the_host;
static const unsigned char* bytes;
static uint64_t size;
static mrun_status load(const mrun_host* host, const mrun_model* model, void** handle) {
  the_host = host;
  *handle = &the_host;
  for (size_t i = 0; i < model->file_count; ++i)
    if (model->files[i].size > 100000) {
      size = model->files[i].size;
      return model->files[i].span(&model->files[i], 0, size, (const void**)&bytes);
    }
  return MRUN_FAILED;
}
static mrun_status start(void* handle, const mrun_request* requests, size_t count) {
  (void)handle;
  for (size_t i = 0; i < count; ++i) {
    unsigned sum = 0;
    for (uint64_t at = 0; at < size; at += 512) sum += bytes[at];
    mrun_value output = {0};
    output.struct_size = sizeof output;
    output.kind = MRUN_VALUE_JSON;
    output.text.data = sum == 0 ? "0" : "1";
    output.text.size = 1;
    the_host->emit(the_host, requests[i].id, &output);
  }
  return MRUN_OK;
}
static void unload(void* handle) { (void)handle; }
MRUN_EXPORT const mrun_predictor* mrun_predictor_v1(const mrun_host* host) {
  static mrun_predictor predictor;
  (void)host;
  predictor.struct_size = sizeof predictor;
  predictor.abi_major = MRUN_ABI_MAJOR;
  predictor.abi_minor = MRUN_ABI_MINOR;
  predictor.name.data = "sum";
  predictor.name.size = 3;
  predictor.load = load;
  predictor.start = start;
  predictor.unload = unload;
  return &predictor;
}
"""
MANIFEST = "mrun: 1\nname: demo/sum\nlicense: MIT\nengine: native\nmodel: sum.so\nfiles: [sum.so, weights.bin]\noutput: {type: integer}\n"


def main(home):
    home.model("test/other")
    folder = home.model("demo/sum", text=MANIFEST, files={"weights.bin": b"\1" * 5_000_000}, pack=False)
    template = home.path / "template"
    home.mrun("init", template, "--template", "cpp")
    (folder / "sum.c").write_text(MODULE)
    subprocess.run(["cc", "-std=c11", "-shared", "-fPIC", "-I", template, "-o", folder / "sum.so", folder / "sum.c"], check=True)
    home.mrun("pack", folder)
    assert home.mrun("predict", "demo/sum").out == "1\n"
    other = home.mrun("predict", "test/other", "--json").json()["metrics"]["worker_pid"]

    blob = max((home.home / "data/blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    blob.chmod(0o644)
    with open(blob, "r+b") as file:
        file.truncate(1_000_000)
    # The daemon knows the version already; a command would look at its blobs first.
    ended = home.predict("demo/sum").json()
    assert ended["status"] == "failed" and "M1402" in ended["error"], ended
    assert "SIGBUS" in ended["error"] or SANITIZED, ended  # a sanitizer turns the signal into its own exit
    assert home.mrun("predict", "test/other", "--json").json()["metrics"]["worker_pid"] == other

    # The next load sees the size; verify names the blob; packing again mends it.
    home.fails("M1205", 10, "predict", "demo/sum")
    assert blob.name in home.try_mrun("verify", "demo/sum", "--json").out
    home.mrun("pack", folder)
    assert home.mrun("predict", "demo/sum").out == "1\n"
    home.mrun("verify", "--all")


run(main)
