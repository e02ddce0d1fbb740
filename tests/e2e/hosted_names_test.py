"""Goal: a model is named as its registry names it in every command, and a tag may have a host, as Docker's users are used to."""

import tarfile

from faulty_registry import Faulty
from harness import Home, run


def digest_of(home, name):
    return home.mrun("show", name, "--json").json()["digest"]


def main(home):
    folder = home.model("acme/x", pack=False, files={"label.txt": "one"})
    first = home.mrun("pack", folder).out.strip()
    registry = Faulty()
    remote = f"{registry.host}/acme/x"
    other = Home()
    try:
        # Docker's way: a tag with the host, and a push of that.
        home.mrun("tag", "acme/x", remote)
        assert {model["model"] for model in home.mrun("ls", "--json").json()["models"]} == {"acme/x", remote}
        assert home.mrun("push", remote, "--json").json()["digest"] == first
        home.mrun("predict", remote, "-i", "text=hi")
        used_by_all(other, remote, first)
        pulled_again(home, other, registry, remote, folder, first)
    finally:
        other.close()
        registry.close()


def used_by_all(other, remote, digest):
    for command in (["show"], ["schema"], ["verify"], ["diff", remote], ["save", "-o", other.path / "none.tar"], ["push", "-n"], ["rm", "-y"],
                    ["tag", "acme/y"]):
        refused = other.fails("M1202", 5, command[0], remote, *command[1:])
        assert other.home.joinpath("data").exists() is False, (command, refused)
    other.mrun("pull", remote)
    refused = other.fails("M1202", 5, "diff", remote, f"{remote}:v2")
    assert f"mrun pull {remote}:v2" in refused.err, refused
    for name in (remote, f"{remote}@{digest}"):
        for command in ("show", "schema", "verify"):
            other.mrun(command, name)
        other.mrun("diff", name, "acme/x", "--exit-code")
        other.mrun("push", name, f"{remote}:copy", "-n")
        other.mrun("predict", name, "-i", "text=hi")
        other.mrun("stop", name)
        other.mrun("tag", name, "acme/y")
        assert digest_of(other, "acme/y") == digest
    other.mrun("save", remote, "-o", other.path / "x.tar")
    with tarfile.open(other.path / "x.tar") as tar:
        assert b'"acme/x:latest"' in tar.extractfile("index.json").read()
    other.mrun("rm", "-y", remote)
    assert [model["model"] for model in other.mrun("ls", "--json").json()["models"]] == ["acme/y"]
    other.fails("M1202", 5, "show", remote)


def pulled_again(home, other, registry, remote, folder, first):
    """A tag with a host is this machine's, until a pull from there moves it: with -f, as any tag of one's own."""
    (folder / "label.txt").write_text("two")
    home.mrun("pack", folder)
    home.mrun("rm", "-y", "acme/x")
    assert digest_of(home, remote) == first
    (folder / "label.txt").write_text("three")
    other.mrun("pack", folder)
    third = digest_of(other, "acme/x")
    other.mrun("push", "acme/x", remote)
    refused = home.fails("M1712", 2, "pull", remote)
    assert f"{remote}:latest" in refused.err, refused
    home.mrun("pull", remote, "-f")
    assert digest_of(home, remote) == digest_of(home, "acme/x") == third
    home.mrun("rm", "-y", remote)
    assert [model["model"] for model in home.mrun("ls", "--json").json()["models"]] == ["acme/x"]
    assert digest_of(home, remote) == third, "the one that was pulled from there"


run(main)
