"""(i) The load generator alone, against a server of one thread that does nothing: requests a second, and how late it is.

usage: scripts/bench/run generator_speed [seconds]     (needs a build with tests: MRUN_BUILD=$PWD/build/test)
"""

import os
import pathlib
import subprocess
import sys

import lib


def main():
    build = pathlib.Path(os.environ["MRUN_BUILD"])
    subprocess.run(["cmake", "--build", str(build), "--target", "bench_generator_speed"], check=True, stdout=sys.stderr)
    done = subprocess.run([str(build / "cli/bench/bench_generator_speed"), *sys.argv[1:]], capture_output=True, text=True, check=True)
    print(done.stdout)
    lib.write("generator_speed", {"table": done.stdout})


main()
