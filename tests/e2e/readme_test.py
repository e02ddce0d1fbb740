"""Goal: the README's curl lines work as written, on the default places below an empty HOME."""

import os
import re
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
        assert (home.path / ".local/share/mrun/index.json").exists() and (home.path / ".local/state/mrun/mrun.db").exists()
    finally:
        shell("mrun daemon stop")


run(main)
