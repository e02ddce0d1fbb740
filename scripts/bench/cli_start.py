"""(e) `mrun --help` and `mrun ls` with 1,000 bundles beside `curl --version`.

usage: scripts/bench/run cli_start [rounds]
"""

import shutil
import subprocess
import sys
import time

import lib


def command(*arguments, env=None):
    def measure():
        start = time.perf_counter()
        subprocess.run(arguments, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - start
    return measure


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    home = lib.harness.Home()
    try:
        folder = home.model("bench/m0", folder="m", pack=False)
        for number in range(1000):
            (folder / "mrun.yaml").write_text(lib.harness.echo_manifest(f"bench/m{number}"))
            home.mrun("pack", folder)
        assert len(home.mrun("ls", "--json").json()["models"]) == 1000
        mrun = str(lib.harness.MRUN)
        samples = lib.rounds({
            "curl --version": command(shutil.which("curl"), "--version"),
            "mrun --help": command(mrun, "--help", env=home.env),
            "mrun ls, 1,000 bundles": command(mrun, "ls", env=home.env),
        }, count, progress=False)
    finally:
        home.close()
    lib.table(samples, base="curl --version")
    lib.write("cli_start", {"samples_s": samples})


main()
