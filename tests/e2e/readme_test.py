"""Goal: the README's curl lines work as written, on the default places below an empty HOME."""

import os
import re
import socket
import subprocess

from harness import BUILD, SOURCE, run


def main(home):
    # Without MRUN_HOME: the XDG defaults, as a new user has them.
    runtime = home.path / "runtime"
    runtime.mkdir(mode=0o700)
    env = {key: value for key, value in home.env.items() if key != "MRUN_HOME"}
    env |= {"HOME": str(home.path), "XDG_RUNTIME_DIR": str(runtime), "PATH": f"{BUILD / 'bin'}:{os.environ['PATH']}"}

    def shell(line):
        done = subprocess.run(["bash", "-ec", line], cwd=home.path, env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    folder = home.model("demo/minilm", pack=False)
    shell(f"mrun pack {folder}")
    shell("mrun daemon start")
    try:
        block = next(b for b in re.findall(r"```sh\n(.*?)```", (SOURCE / "README.md").read_text(), re.S) if "curl" in b)
        assert "mrun daemon socket" in block
        setting, *commands = re.split(r"\n\n|\n(?=curl)", block.strip())
        created = shell(f"{setting}\n{commands[0]}")
        identity = re.search(r'"id":"(\w+)"', created.replace(" ", "")).group(1)
        assert '"status":"succeeded"' in created.replace(" ", ""), created
        for command in commands[1:]:
            reply = shell(f"{setting}\n{command.replace('ID', identity)}")
            assert identity in reply or "event: done" in reply, (command, reply)
        # The TCP door, at a port that is free here.
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        block = next(b for b in re.findall(r"```sh\n(.*?)```", (SOURCE / "README.md").read_text(), re.S) if "--listen" in b)
        lines = [line.replace("8000", str(port)) for line in block.splitlines()]
        program = next(line for line in lines if "your_program_for_replicate.py" in line)
        python = f"{os.environ['MRUN_DEV_PYTHON']} -c 'import replicate; print(replicate.run(\"demo/minilm\", input={{\"text\": \"hello\"}}))'"
        lines[lines.index(program)] = program.replace("python3 your_program_for_replicate.py", python)
        told = shell("\n".join(lines))
        assert '"status":"succeeded"' in told and "hello" in told and "my-app" in told and "predict" in told, told
        assert (home.path / ".local/share/mrun/index.json").exists() and (home.path / ".local/state/mrun/mrun.db").exists()
    finally:
        shell("mrun daemon stop")


run(main)
