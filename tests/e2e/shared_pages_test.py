"""Goal: two fine-tunes of one base share its weights in memory while both are loaded: the same blobs are mapped by both
workers, and their proportional sizes add up to the base once."""

import os
import pathlib
import struct
import subprocess

from harness import SANITIZED, run
from model_files import safetensors

MIB = 1 << 20
TENSORS, EACH = 20, 4 * MIB
# A predictor that asks for one tensor after the other, as engines do, and reads each page of it.
MODULE = r"""
#include <string.h>
#include "mrun_predictor.h"
enum { EACH = 4 << 20 };
static const mrun_host* the_host;
static unsigned sum;
static mrun_status load(const mrun_host* host, const mrun_model* model, void** handle) {
  the_host = host;
  *handle = &the_host;
  for (size_t i = 0; i < model->file_count; ++i) {
    const mrun_file* file = &model->files[i];
    const unsigned char* bytes;
    uint64_t header;
    if (file->size < EACH) continue;
    if (file->span(file, 0, 8, (const void**)&bytes) != MRUN_OK) return MRUN_FAILED;
    memcpy(&header, bytes, 8);
    for (uint64_t at = 8 + header; at < file->size; at += EACH) {
      if (file->span(file, at, EACH, (const void**)&bytes) != MRUN_OK) return MRUN_FAILED;
      for (uint64_t page = 0; page < EACH; page += 4096) sum += bytes[page];
    }
  }
  return MRUN_OK;
}
static mrun_status start(void* handle, const mrun_request* requests, size_t count) {
  (void)handle;
  for (size_t i = 0; i < count; ++i) {
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
MANIFEST = "mrun: 1\nname: {name}\nlicense: MIT\nengine: native\nmodel: sum.so\nfiles: [sum.so, w.safetensors]\noutput: {{type: integer}}\n"


def mapped_blobs(pid):
    """inode -> (resident bytes, proportional bytes, private bytes) of the blobs that a process has mapped."""
    found, inode = {}, None
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            inode = int(words[4]) if "/blobs/sha256/" in line else None
            found.setdefault(inode, [0, 0, 0])
        for place, keys in enumerate((("Rss:",), ("Pss:",), ("Private_Clean:", "Private_Dirty:"))):
            if words[0] in keys:
                found[inode][place] += int(words[1]) * 1024
    found.pop(None, None)
    return found


def main(home):
    if SANITIZED:
        return
    template = home.path / "template"
    home.mrun("init", template, "--template", "cpp")
    (home.path / "sum.c").write_text(MODULE)
    subprocess.run(["cc", "-std=c11", "-shared", "-fPIC", "-I", template, "-o", home.path / "sum.so", home.path / "sum.c"], check=True)
    tensors = {f"layers.{i:02}": ("U8", [EACH], os.urandom(EACH)) for i in range(TENSORS)}
    workers = {}
    for name in ("demo/one", "demo/two"):
        tuned = tensors | {f"layers.{TENSORS - 1:02}": ("U8", [EACH], os.urandom(EACH))}
        folder = home.model(name, pack=False, text=MANIFEST.format(name=name),
                            files={"w.safetensors": safetensors(tuned), "sum.so": (home.path / "sum.so").read_bytes()})
        home.mrun("pack", folder)
        workers[name] = home.mrun("predict", name, "--json").json()["metrics"]["worker_pid"]
    one, two = (mapped_blobs(pid) for pid in workers.values())
    size = struct.calcsize("<Q") + TENSORS * EACH
    assert sum(rss for rss, _, _ in one.values()) >= TENSORS * EACH and sum(rss for rss, _, _ in two.values()) >= TENSORS * EACH
    # All tensors but the one that differs: the same files, and no page of them is anybody's own.
    same = {inode for inode in one if inode in two and one[inode][0] >= EACH}
    assert len(same) == TENSORS - 1, (len(same), len(one), len(two))
    assert all(one[inode][2] == two[inode][2] == 0 for inode in same), "a shared blob has private pages"
    # Together they take the base once and each the tensor that is its own; half a percent for what the OS rounds.
    both = sum(pss for _, pss, _ in one.values()) + sum(pss for _, pss, _ in two.values())
    print(f"two fine-tunes of {size / MIB:.0f} MiB take {both / MIB:.1f} MiB of mapped weights together")
    assert both < 1.005 * (TENSORS + 1) * EACH + MIB, both


run(main)
