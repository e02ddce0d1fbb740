// For past_memory.py: LibTorch's tensors end where a page does that nobody may touch, and begin behind another, so that
// what reads or writes beyond one ends the process. What is freed stays away. Preloaded; on after guard_pages_on().
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { page_bytes = 4096, tight_alignment = 16, most_blocks = 1 << 16, most_bytes = 1 << 26 };

extern void* __libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void* block);

static struct {
  uintptr_t at;
  size_t bytes;
} blocks[most_blocks];
static int used, is_on;

void guard_pages_on(void) {
  is_on = 1;
}

int posix_memalign(void** block, size_t alignment, size_t size) {
  if (!is_on || size > most_bytes || used >= most_blocks) {
    *block = __libc_memalign(alignment, size);
    return *block == NULL ? ENOMEM : 0;
  }
  const size_t tight = (size + tight_alignment) / tight_alignment * tight_alignment;
  const size_t bytes = (tight + page_bytes - 1) / page_bytes * page_bytes;
  char* const pages = mmap(NULL, bytes + 2 * page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return ENOMEM;
  mprotect(pages, page_bytes, PROT_NONE);
  mprotect(pages + page_bytes + bytes, page_bytes, PROT_NONE);
  memset(pages + page_bytes, 0xA5, bytes);
  *block = pages + page_bytes + bytes - tight;
  const int number = __sync_fetch_and_add(&used, 1);
  if (number < most_blocks) blocks[number].at = (uintptr_t)*block, blocks[number].bytes = bytes;
  return 0;
}

void free(void* block) {
  for (int i = used < most_blocks ? used - 1 : most_blocks - 1; block != NULL && i >= 0; --i)
    if (blocks[i].at == (uintptr_t)block) {
      blocks[i].at = 0; // its pages are kept: nothing else may come to lie there
      return;
    }
  __libc_free(block);
}
