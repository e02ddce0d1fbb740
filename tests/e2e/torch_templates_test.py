"""Goal: every template's README works as written, command by command."""

import os
import re
import subprocess
import venv

from harness import BUILD, SOURCE, run

PYTHON = os.environ["MRUN_DEV_PYTHON"]


def commands(readme):
    """The lines of the README's sh blocks, comments removed."""
    lines = []
    for block in re.findall(r"```sh\n(.*?)```", readme, re.S):
        lines += [re.sub(r"\s+# .*$|^#.*$", "", line) for line in block.splitlines()]
    return [line for line in lines if line.strip()]


def main(home):
    site = subprocess.run([PYTHON, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"], capture_output=True, text=True, check=True).stdout.strip()
    names = sorted(path.name for path in (BUILD / "share/mrun/templates").iterdir())
    assert names == sorted(path.name for path in (SOURCE / "templates").iterdir() if path.is_dir()), names
    for name in names:
        folder = home.path / f"try-{name}"
        home.mrun("init", folder, "--template", name, "--name", f"try/{name}")
        # The README's `python3 -m venv .venv` finds one that already sees the pinned packages, so pip has nothing to fetch.
        if (folder / "export.py").exists():
            venv.create(folder / ".venv", with_pip=True)
            target = next((folder / ".venv/lib").glob("python3*/site-packages"))
            (target / "dev.pth").write_text(site + "\n")
        lines = commands((folder / "README.md").read_text())
        assert len(lines) >= 2, lines
        env = home.env | {"PATH": f"{BUILD / 'bin'}:{os.environ['PATH']}", "HF_HUB_OFFLINE": "1"}
        for line in lines:
            done = subprocess.run(["bash", "-ec", line], cwd=folder, env=env, capture_output=True, text=True, timeout=900)
            assert done.returncode == 0, f"{name}: {line}\n{done.stdout}\n{done.stderr}"
        assert f"try/{name}" in home.mrun("ls").out


run(main)
