"""Goal: the README's lines work as written, on the default places below an empty HOME: curl, the ledger, cost, bench.

The model is an echo of the example's name and inputs, and `mrun bench` measures for half a second a step instead of ten.
"""

import os
import re
import socket
import subprocess

from harness import BUILD, MRUN, SLOWER, SOURCE, run

README = (SOURCE / "README.md").read_text()
QUICK = """#!/bin/bash
case $1 in
bench) exec {mrun} "$@" --duration 500ms -n 7 ;;
*) exec {mrun} "$@" ;;
esac
"""


def block_with(words):
    """The lines of the code block that holds `words`."""
    block = next(block for block in re.findall(r"```sh\n(.*?)```", README, re.S) if words in block)
    return block.strip()


def main(home):
    # Without MRUN_HOME: the XDG defaults, as a new user has them.
    runtime = home.path / "runtime"
    runtime.mkdir(mode=0o700)
    programs = home.path / "programs"
    programs.mkdir()
    (programs / "mrun").write_text(QUICK.format(mrun=MRUN))
    (programs / "mrun").chmod(0o755)
    (home.path / "docs").symlink_to(SOURCE / "docs")
    env = {key: value for key, value in home.env.items() if key != "MRUN_HOME"}
    env |= {"HOME": str(home.path), "XDG_RUNTIME_DIR": str(runtime), "PATH": f"{programs}:{BUILD / 'bin'}:{os.environ['PATH']}"}

    def shell(line, codes=(0,)):
        done = subprocess.run(["bash", "-ec", line], cwd=home.path, env=env, capture_output=True, text=True, timeout=200 * SLOWER)
        assert done.returncode in codes, f"{line}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def curl_lines():
        block = block_with("curl --unix-socket")
        assert "mrun daemon socket" in block
        setting, *commands = re.split(r"\n\n|\n(?=curl)", block)
        created = shell(f"{setting}\n{commands[0]}")
        identity = re.search(r'"id":"(\w+)"', created.replace(" ", "")).group(1)
        assert '"status":"succeeded"' in created.replace(" ", ""), created
        for command in commands[1:]:
            reply = shell(f"{setting}\n{command.replace('ID', identity)}")
            assert identity in reply or "event: done" in reply, (command, reply)

    def ledger_lines():
        for line in block_with("mrun ledger").splitlines():
            shown = shell(line)
            assert "alice" in shown or line.startswith("mrun predict"), (line, shown)

    def cost_lines():
        for line in block_with("mrun cost setup").splitlines():
            # Over the budget, where that is the line's own point.
            assert shell(line, (0, 3) if "exit code 3" in line else (0,)).strip() or "setup" in line, line

    def bench_lines():
        lines = block_with("mrun bench").splitlines()
        assert any("--baseline" in line for line in lines) and any("--mode load" in line for line in lines)
        for line in lines:
            # Half a second carries no p95, and a busy machine makes a generator late: it says so.
            shown = shell(line, (0, 3, 9) if "bench" in line else (0,))
            assert "VALID" in shown or line.startswith("mrun tag"), (line, shown)
        assert (home.path / "report.html").read_text().startswith("<!DOCTYPE html>")

    def tcp_lines():
        # The TCP door, at a port that is free here.
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        lines = [line.replace("8000", str(port)) for line in block_with("--listen").splitlines()]
        program = next(line for line in lines if "your_program_for_replicate.py" in line)
        python = f"{os.environ['MRUN_DEV_PYTHON']} -c 'import replicate; print(replicate.run(\"demo/minilm\", input={{\"text\": \"hello\"}}))'"
        lines[lines.index(program)] = program.replace("python3 your_program_for_replicate.py", python)
        told = shell("\n".join(lines))
        assert '"status":"succeeded"' in told and "hello" in told and "my-app" in told and "predict" in told, told

    folder = home.model("demo/minilm", pack=False)
    shell(f"mrun pack {folder}")
    shell("mrun daemon start")
    try:
        curl_lines()
        ledger_lines()
        cost_lines()
        bench_lines()
        tcp_lines()
        assert (home.path / ".local/share/mrun/index.json").exists() and (home.path / ".local/state/mrun/mrun.db").exists()
    finally:
        shell("mrun daemon stop")


run(main)
