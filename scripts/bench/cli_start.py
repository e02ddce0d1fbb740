"""(e) `mrun --help`, completion and `mrun ls` with 1,000 bundles beside `curl --version`, and beside what `gh` and `docker` take
for the same where they are installed.

usage: scripts/bench/run cli_start [rounds]
"""

import shutil
import subprocess
import sys
import time

import lib


WORD_BREAKS = " \t\n\"'><=;|&(:"  # COMP_WORDBREAKS of a fresh bash


def command(*arguments, env=None):
    def measure():
        start = time.perf_counter()
        subprocess.run(arguments, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - start
    return measure


def peers(env):
    """The same of other commands, as far as they are there; each says what it completes by a hidden command of its own."""
    found = {}
    for name in ("gh", "docker"):
        program = shutil.which(name)
        if program is not None:
            found[f"{name} --help"] = command(program, "--help", env=env)
            found[f"completion of `{name} p`"] = command(program, "__complete", "p", env=env)
    return found


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
        commands = {
            "curl --version": command(shutil.which("curl"), "--version"),
            "mrun --help": command(mrun, "--help", env=home.env),
            "mrun ls, 1,000 bundles": command(mrun, "ls", env=home.env),
            "completion of `mrun pre`": command(mrun, "__complete", "bash", WORD_BREAKS, "mrun pre", env=home.env),
            "completion of `mrun show bench/m1`, 1,000 bundles": command(mrun, "__complete", "bash", WORD_BREAKS, "mrun show bench/m1", env=home.env),
        }
        commands |= peers(home.env)
        samples = lib.rounds(commands, count, progress=False)
    finally:
        home.close()
    lib.table(samples, base="curl --version")
    lib.write("cli_start", {"samples_s": samples})


main()
