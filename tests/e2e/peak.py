"""The peak of a command's resident memory, without its starter's.

The kernel keeps the largest size that a process had (ru_maxrss), and that of the copy of its starter which it was before
exec, too: a small command that a large Python starts has Python's peak. So a Python that holds nothing starts it, some
9 MB, below which nothing can be told apart.
"""

import json
import subprocess
import sys
import time

STARTER = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
_, status, usage = os.wait4(pid, 0)
print('[%d,%d]' % (os.waitstatus_to_exitcode(status), usage.ru_maxrss))
"""


def run_for_peak(command, env=None, cwd=None, timeout=600):
    """Runs it, with its output on standard error; returns (seconds, bytes). It must succeed."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-I", "-S", "-c", STARTER, *map(str, command)], env=env, cwd=cwd, timeout=timeout,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    took = time.perf_counter() - began
    code, peak_kib = json.loads(done.stdout)
    assert code == 0, f"{command}: exit {code}\n{done.stderr}"
    return took, peak_kib * 1024
