"""Goal: kill -9 at every system call of pack, import, push, pull, load, tag, rm and gc that changes the store leaves a
store that `mrun verify --all` calls clean: the old state or the new one, and the command done again makes it whole. Of
pulls of large files, which make thousands of calls of few kinds: the first and the last of each kind, and some between."""

from harness import SANITIZED, run
from kill_cases import LARGE_CASES, SMALL_CASES, STREAMED_CASES, each_case


def main(home):
    each_case(SMALL_CASES, lambda faults: faults.kill_all(5 if SANITIZED else None))
    each_case(LARGE_CASES, lambda faults: faults.kill_all(2 if SANITIZED else None))
    each_case(STREAMED_CASES, lambda faults: faults.kill_all(2) if SANITIZED else faults.kill_kinds(between=10))


run(main)
