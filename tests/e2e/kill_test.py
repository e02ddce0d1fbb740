"""Goal: kill -9 at a system call that changes the store leaves a store that `mrun verify --all` calls clean (the short
run: some of the calls of each command)."""

from harness import SANITIZED, run
from kill_cases import SMALL_CASES, each_case


def main(home):
    each_case(SMALL_CASES, lambda faults: faults.kill_all(tries=4 if SANITIZED else 10))


run(main)
