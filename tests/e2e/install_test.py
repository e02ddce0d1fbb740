"""Goal: an installation works from its own folder and holds what people and programs look up, and scripts/uninstall takes away
what it wrote: every file and every folder, nothing of anybody else's."""

import os
import pathlib
import shutil
import subprocess
import sys

from harness import BUILD, SOURCE, is_alive, run


def shell(home, *words, env=None, code=0):
    """`env`: None takes a variable away."""
    given = {key: value for key, value in (home.env | (env or {})).items() if value is not None}
    done = subprocess.run(list(map(str, words)), cwd=home.path, env=given, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, (words, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done


def install(home, prefix):
    """As scripts/quickstart does, of the programs that are built."""
    prefix.mkdir(parents=True, exist_ok=True)
    shell(home, "bash", "-c", f'source "{SOURCE}/scripts/lib/common.sh"; install_build "{BUILD}" "{prefix}" "{home.path}/torch"')


def everything(folder):
    return {os.path.relpath(os.path.join(at, name), folder) for at, folders, files in os.walk(folder) for name in folders + files}


def installed(home, prefix, env):
    install(home, prefix)
    mrun = prefix / "bin/mrun"
    said = shell(home, mrun, "doctor", "--json", env=env).stdout
    assert f"in {prefix}, engines" in said, said
    shell(home, mrun, "pack", home.path / "test-echo", env=env)
    assert shell(home, mrun, "predict", "test/echo", env=env).stdout == '{"text":"hello"}\n'
    schemas = {path.name for path in (prefix / "share/mrun/schemas").iterdir()}
    assert schemas == {path.name for path in (SOURCE / "docs/formats/schemas").glob("*.json")} and "ls.v1.json" in schemas, schemas
    for path in ("share/man/man1/mrun.1", "share/bash-completion/completions/mrun", "share/zsh/site-functions/_mrun",
                 "share/fish/vendor_completions.d/mrun.fish", "share/mrun/install_manifest.txt"):
        assert (prefix / path).exists(), path
    assert (prefix / "lib/mrun/torch").readlink() == home.path / "torch"
    # Its daemon goes with it.
    pid = int(shell(home, mrun, "daemon", "status", "--json", env=env).stdout.split('"pid":')[1].split(",")[0])
    return pid


def main(home):
    if not (BUILD / "man/mrun.1").exists():
        print("skipped: not everything is built")
        sys.exit(77)
    (home.path / "torch").mkdir()
    home.model("test/echo", pack=False, inputs="text: {type: string, default: hello}")
    uninstall = SOURCE / "scripts/uninstall"

    # Alone in its prefix: nothing is left, not even that.
    prefix = home.path / "alone/opt mrun"
    env = {"MRUN_HOME": str(home.path / "of-it")}
    pid = installed(home, prefix, env)
    said = shell(home, uninstall, "--prefix", prefix, env=env)
    assert not prefix.exists(), sorted(everything(prefix))[:20]
    assert "kept (--purge removes it)" in said.stderr and (home.path / "of-it/data/index.json").exists(), said
    assert not is_alive(pid), "its daemon runs on"
    again = shell(home, uninstall, "--prefix", prefix, env=env)
    assert "nothing is installed" in again.stderr, again

    # Without a folder of the session: that of the sockets goes too, unless another home's are in it.
    bare = {"MRUN_HOME": None, "XDG_RUNTIME_DIR": None}
    pid = installed(home, prefix, bare)
    sockets = pathlib.Path(f"/tmp/mrun-{os.geteuid()}")
    assert any(sockets.iterdir()), "its socket is elsewhere"
    shell(home, uninstall, "--prefix", prefix, env=bare)
    assert not is_alive(pid) and not prefix.exists()
    assert not sockets.exists() or any(sockets.iterdir()), "an empty folder of sockets stayed"

    # Beside other things, twice, the second time without a file that the first had; by a relative path.
    prefix = home.path / "shared"
    for path in ("bin/other", "share/man/man1/other.1", "share/mrun/templates/mine/mrun.yaml", "lib/empty/"):
        (prefix / path).parent.mkdir(parents=True, exist_ok=True)
        (prefix / path).mkdir() if path.endswith("/") else (prefix / path).write_text("mine")
    before = everything(prefix)
    install(home, prefix)
    dropped = prefix / "share/mrun/dropped.txt"
    dropped.write_text("of an older version")
    with open(prefix / "share/mrun/install_manifest.txt", "a") as manifest:
        manifest.write(f"{dropped}\n/etc/hostname\n{home.path}/test-echo/mrun.yaml\n")
    install(home, prefix)
    assert dropped.exists() and len(everything(prefix)) > len(before) + 30
    shell(home, uninstall, "--prefix", "shared/")
    assert everything(prefix) == before, sorted(everything(prefix) ^ before)[:20]
    assert (home.path / "test-echo/mrun.yaml").exists(), "a file that lies elsewhere went"

    # --purge: of a MRUN_HOME with other things in it only mrun's own; of another source tree its build and cache.
    tree = home.path / "tree"
    shutil.copytree(SOURCE / "scripts", tree / "scripts")
    (tree / "build").mkdir()
    cache = home.path / ".cache/mrun-dev"
    cache.mkdir(parents=True)
    (home.path / "of-it/notes.txt").write_text("mine")
    install(home, home.path / "programs")
    # Where nobody can be asked it is not done, and the programs stay as well.
    mine = everything(home.path)
    refused = shell(home, tree / "scripts/uninstall", "--prefix", "programs", "--purge", env=env, code=2)
    assert "-y" in refused.stderr and "nothing was removed" in refused.stderr, refused
    assert everything(home.path) == mine, sorted(everything(home.path) ^ mine)[:20]
    shell(home, tree / "scripts/uninstall", "--prefix", prefix, "--purge", "-y", env=env)
    assert os.listdir(home.path / "of-it") == ["notes.txt"] and not cache.exists() and not (tree / "build").exists()
    (home.path / "of-it/notes.txt").unlink()
    shell(home, tree / "scripts/uninstall", "--prefix", prefix, "--purge", "-y", env=env)
    assert not (home.path / "of-it").exists() and everything(prefix) == before


run(main)
