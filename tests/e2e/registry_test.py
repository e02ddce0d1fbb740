"""Goal: a model goes to a real registry and comes from it: pushed, listed, looked at, pulled elsewhere, only changes moved."""

import json
import os
import subprocess

from harness import Home, run
from registry_server import Registry


def main(home):
    registry = Registry(home.path / "registry")
    other = Home()
    try:
        remote = f"{registry.host}/demo/echo"
        weights = os.urandom(3_000_000)
        folder = home.model("demo/echo", pack=False, files={"weights.bin": weights, "label.txt": "one"})
        digest = home.mrun("pack", folder).out.strip()

        # Push: what the registry lacks; a second time one request and nothing.
        dry = home.mrun("push", "demo/echo", remote, "--dry-run", "--json").json()
        assert dry["sent_bytes"] > 3_000_000 and dry["dry_run"], dry
        home.fails("M1708", 5, "tags", remote)
        pushed = home.mrun("push", "demo/echo", remote, "--json").json()
        assert pushed["digest"] == digest and pushed["sent_bytes"] == dry["sent_bytes"], pushed
        registry.requests()
        again = home.mrun("push", "demo/echo", remote, "--json").json()
        assert again["was_there"] and again["sent_bytes"] == 0, again
        requests = registry.requests()
        assert len(requests) == 1 and requests[0].startswith("HEAD "), requests

        # Look without pulling.
        assert home.mrun("tags", remote).out == "latest\n"
        shown = home.mrun("inspect", remote, "--json").json()
        assert shown["digest"] == digest and shown["manifest"]["name"] == "demo/echo", shown
        assert "weights.bin" in home.mrun("inspect", remote).out
        assert not (other.home / "data").exists()

        # Pull into an empty home; the digest is the same, and it runs.
        plan = other.mrun("pull", remote, "--dry-run", "--json").json()
        assert plan["fetched_bytes"] > 3_000_000 and plan["dry_run"], plan
        pulled = other.mrun("pull", remote, "--json").json()
        assert pulled["digest"] == digest and pulled["reference"] == "demo/echo:latest", pulled
        assert other.mrun("pull", remote, "--json").json()["fetched_bytes"] == 0
        assert other.mrun("pull", f"{remote}@{digest}").out.strip() == digest
        other.mrun("predict", "demo/echo", "-i", "text=hi")

        # A change of a small file moves that file.
        (folder / "label.txt").write_text("two")
        second = home.mrun("pack", folder).out.strip()
        changed = home.mrun("push", "demo/echo", remote, "--json").json()
        assert changed["digest"] == second and 0 < changed["sent_bytes"] < 10_000, changed
        moved = other.try_mrun("pull", remote)
        assert moved.code == 0 and "moved from" in moved.err, moved
        assert other.mrun("pull", f"{remote}@{digest}", "--json").json()["fetched_bytes"] == 0

        # A name that is in use for something of one's own stays, unless told otherwise.
        home.mrun("tag", f"demo/echo@{digest}", "demo/echo:latest")
        home.fails("M1712", 2, "pull", remote)
        home.mrun("pull", remote, "-f")
        assert json.loads(home.mrun("ls", "--json").out)["models"][0]["digest"] == second

        # What is not there, and what is no registry.
        home.fails("M1708", 5, "pull", f"{registry.host}/demo/absent")
        home.fails("M1708", 5, "pull", f"{remote}:absent")
        home.fails("M1711", 2, "pull", "demo/echo")
        home.fails("M1711", 2, "push", "demo/echo")
        home.fails("M1202", 5, "push", "demo/absent", remote)

        # skopeo takes it elsewhere and back, byte for byte.
        layout = f"oci:{home.path}/layout:x"
        subprocess.run(["skopeo", "copy", "--src-tls-verify=false", f"docker://{remote}:latest", layout], check=True, capture_output=True)
        subprocess.run(["skopeo", "copy", "--dest-tls-verify=false", "--preserve-digests", layout, f"docker://{registry.host}/copy/echo:x"],
                       check=True, capture_output=True)
        assert other.mrun("pull", f"{registry.host}/copy/echo:x").out.strip() == second
    finally:
        other.close()
        registry.close()
    locked(home)


def locked(home):
    """A registry with a password."""
    registry = Registry(home.path / "locked", "me", "s3cret-word")
    try:
        remote = f"{registry.host}/demo/echo"
        home.fails("M1706", 4, "push", "demo/echo", remote)
        home.fails("M1706", 4, "login", registry.host, "-u", "me", "--token-stdin", input="wrong")
        done = home.mrun("login", registry.host, "-u", "me", "--token-stdin", input="s3cret-word\n")
        assert "s3cret" not in done.out + done.err, done
        config = home.path / ".docker/config.json"
        assert os.stat(config).st_mode & 0o777 == 0o600 and registry.host in config.read_text()
        verbose = home.mrun("push", "demo/echo", remote, "-v", env={"MRUN_LOG": "debug"})
        assert "s3cret" not in verbose.err and "Basic" not in verbose.err, verbose
        assert home.mrun("tags", remote).out == "latest\n"
        home.mrun("logout", registry.host)
        home.fails("M1706", 4, "tags", remote)
    finally:
        registry.close()


run(main)
