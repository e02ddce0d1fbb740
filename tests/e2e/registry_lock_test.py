"""Goal: a model of a registry runs by its name alone, and a project's mrun.lock keeps it at the version it knows."""

import json

from harness import Home, run
from registry_server import Registry


def pack(home, label):
    folder = home.model("demo/echo", pack=False, files={"label.txt": label})
    return home.mrun("pack", folder).out.strip()


def main(home):
    registry = Registry(home.path / "registry")
    other, project = Home(), home.path / "project/deep"
    project.mkdir(parents=True)
    try:
        remote = f"{registry.host}/demo/echo"
        first = pack(home, "one")
        home.mrun("push", "demo/echo", remote)

        # predict pulls what is not here, says so on standard error only, and asks nobody when it is here.
        other.fails("M1202", 5, "predict", remote, "-i", "text=hi", "--pull", "never")
        done = other.try_mrun("predict", remote, "-i", "text=hi")
        assert done.code == 0 and '"hi"' in done.out and "fetched" in done.err, done
        registry.requests()
        assert other.mrun("predict", remote, "-i", "text=again").json() == {"text": "again"}
        assert other.mrun("predict", f"{remote}@{first}", "-i", "text=again").json() == {"text": "again"}
        assert other.mrun("show", remote, "--json").json()["digest"] == first
        assert registry.requests() == []
        other.fails("M1708", 5, "predict", f"{remote}:absent", "-i", "text=hi")
        other.fails("M1202", 5, "show", f"{remote}:absent")

        # Locked: from a folder below, the file is found; then the tag moves.
        other.fails("M1714", 2, "predict", remote, "-i", "text=hi", "--locked", cwd=project)
        other.mrun("lock", remote, cwd=project.parent)
        lock = json.loads((project.parent / "mrun.lock").read_text())
        assert lock["models"][f"{remote}:latest"]["digest"] == first, lock
        assert other.mrun("predict", remote, "-i", "text=hi", "--locked", cwd=project).json() == {"text": "hi"}
        second = pack(home, "two")
        home.mrun("push", "demo/echo", remote)
        moved = other.try_mrun("pull", remote, cwd=project)
        assert moved.code == 0 and "moved from" in moved.err and "mrun.lock still says" in moved.err, moved
        kept = other.try_mrun("predict", remote, "-i", "text=hi", "--locked", cwd=project)
        assert kept.code == 0 and "mrun.lock keeps" in kept.err, kept
        assert other.mrun("pull", "--locked", "--json", cwd=project).json()["models"][0]["digest"] == first
        assert other.mrun("show", remote, "--json").json()["digest"] == first
        fresh = Home()
        try:
            assert fresh.mrun("pull", "--locked", remote, "--json", cwd=project).json()["digest"] == first
            fresh.mrun("rm", "demo/echo", "-y")
            fresh.mrun("gc", "-y")
            done = fresh.try_mrun("predict", remote, "-i", "text=hi", "--locked", cwd=project)
            assert done.code == 0 and f"is {first[7:19]}" in done.err, done
        finally:
            fresh.close()
        accepted = other.try_mrun("lock", cwd=project)
        assert "moved from" in accepted.err, accepted
        assert json.loads((project.parent / "mrun.lock").read_text())["models"][f"{remote}:latest"]["digest"] == second

        # A name of this machine; what the lock does not know, or can't be had.
        home.mrun("lock", "demo/echo", cwd=project)
        third = pack(home, "three")
        assert third not in (first, second)
        kept = home.try_mrun("predict", "demo/echo", "-i", "text=hi", "--locked", cwd=project)
        assert kept.code == 0 and "mrun.lock keeps" in kept.err, kept
        home.mrun("gc", "-y")
        home.fails("M1715", 10, "predict", "demo/echo", "-i", "text=hi", "--locked", cwd=project)
        home.fails("M1714", 2, "predict", "demo/other", "-i", "text=hi", "--locked", cwd=project)
        home.fails("M1715", 10, "pull", f"{remote}@{third}", "--locked", cwd=project)
        home.fails("M1001", 2, "pull")
        home.fails("M1001", 2, "predict", ".", "--locked", cwd=project)
        before = (project.parent / "mrun.lock").read_text()
        home.fails("M1708", 5, "lock", remote, f"{remote}:absent", cwd=project)
        assert (project.parent / "mrun.lock").read_text() == before
        (project / "mrun.lock").write_text(before[:100])
        home.fails("M1713", 2, "predict", "demo/echo", "-i", "text=hi", "--locked", cwd=project)

        # `registry:` of the configuration.
        other.fails("M1711", 2, "pull", "demo/echo")
        config = other.home / "config.yaml"
        config.write_text(f"registry: {registry.host}\n")
        assert other.mrun("tags", "demo/echo").out == "latest\n"
        assert other.mrun("pull", "demo/echo", "-f").out.strip() == second
        assert other.mrun("push", "demo/echo", "--json").json()["reference"] == f"{remote}:latest"
        config.write_text("registry: not/a host\n")
        other.fails("M1603", 2, "pull", "demo/echo")
    finally:
        other.close()
        registry.close()


run(main)
