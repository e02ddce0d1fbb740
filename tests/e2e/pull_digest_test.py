"""Goal: a model that is pulled by its digest moves no tag, is listed, runs, stays through gc, and goes when it is removed."""

from foreign_artifacts import push_raw
from faulty_registry import Faulty
from harness import Home, run
from model_files import huggingface_files


def rows(home):
    return [(model["model"], model["tag"], model["digest"]) for model in home.mrun("ls", "--json").json()["models"]]


def main(home):
    digest = home.mrun("pack", home.model("acme/x", pack=False, files={"label.txt": "theirs"})).out.strip()
    registry = Faulty(home.home / "data")
    remote = f"{registry.host}/acme/x"
    other = Home()
    try:
        lifecycle(other, remote, digest)
        beside_a_tag(other, remote, digest)
        made_here(other, registry)
    finally:
        other.close()
        registry.close()


def lifecycle(other, remote, digest):
    exact, name = f"{remote}@{digest}", f"acme/x@{digest}"
    plan = other.mrun("pull", exact, "--dry-run", "--json").json()
    assert plan["reference"] == name and plan["previous"] is None and not (other.home / "data").exists(), plan
    pulled = other.mrun("pull", exact)
    assert pulled.out.strip() == digest and "latest" not in pulled.err and f"mrun tag {name} acme/x" in pulled.err, pulled
    assert other.mrun("pull", exact, "--json").json()["reference"] == name
    assert rows(other) == [("acme/x", None, digest)]
    assert "<none>" in other.mrun("ls").out and "<none>" in other.mrun("ls", "--plain").out

    # It is used by its digest, with the registry's name or without, and a name alone doesn't mean it.
    for reference in (exact, name, f"acme/x@{digest[7:19]}"):
        other.mrun("show", reference)
        other.mrun("verify", reference)
    other.mrun("predict", name, "-i", "text=hi")
    other.mrun("predict", exact, "-i", "text=hi", "--pull", "never")
    assert name[:26] in other.fails("M1202", 5, "show", "acme/x").err

    # gc leaves it, until rm.
    assert not list((other.home / "data/leases").iterdir())
    other.mrun("gc", "-y")
    other.mrun("verify", "--all")
    assert other.mrun("rm", "-y", name, "--json").json()["removed"][0]["reference"] == name
    assert rows(other) == []
    other.mrun("stop", name)
    other.mrun("gc", "-y")
    other.fails("M1202", 5, "show", name)


def beside_a_tag(other, remote, digest):
    """A tag of one's own stays, and what is refused for its sake can be had by digest, as the error says."""
    exact, name = f"{remote}@{digest}", f"acme/x@{digest}"
    mine = other.mrun("pack", other.model("acme/x", pack=False, files={"label.txt": "mine"})).out.strip()
    refused = other.fails("M1712", 2, "predict", remote, "-i", "text=hi")
    assert f"{remote}@sha256:" in refused.err, refused
    other.mrun("predict", exact, "-i", "text=hi")
    for flags in ([], ["-f"]):
        done = other.mrun("pull", exact, *flags)
        assert "moved" not in done.err and rows(other) == [("acme/x", None, digest), ("acme/x", "latest", mine)], done
    # A tag of the model stands for it as long as it means this version.
    other.mrun("tag", name, "acme/x:theirs")
    other.mrun("pull", exact)
    assert rows(other) == [("acme/x", "latest", mine), ("acme/x", "theirs", digest)]
    other.mrun("tag", "acme/x", "acme/x:theirs")
    assert rows(other) == [("acme/x", None, digest), ("acme/x", "latest", mine), ("acme/x", "theirs", mine)]
    other.mrun("gc", "-y")
    other.mrun("tag", name, "acme/x:theirs")
    other.mrun("tag", name, "me/y")
    done = other.mrun("rm", "-n", "acme/x:theirs", "--json").json()
    assert [one["reference"] for one in done["removed"]] == ["acme/x:theirs"], done
    refused = other.fails("M1209", 2, "rm", "-y", digest)
    assert "acme/x:theirs" in refused.err and "me/y:latest" in refused.err and name not in refused.err, refused
    # With a name before the digest, this model's names are meant: others' stay, also with -f.
    refused = other.fails("M1202", 5, "rm", "-y", "-f", f"me/z@{digest}")
    assert "me/y:latest" in refused.err, refused
    assert [one["reference"] for one in other.mrun("rm", "-y", name, "--json").json()["removed"]] == ["acme/x:theirs"]
    assert rows(other) == [("acme/x", "latest", mine), ("me/y", "latest", digest)]
    other.mrun("pull", exact)
    assert rows(other) == [("acme/x", None, digest), ("acme/x", "latest", mine), ("me/y", "latest", digest)]
    other.mrun("rm", "-y", "-f", digest)
    assert rows(other) == [("acme/x", "latest", mine)]
    # With a tag and a digest the tag is set; a tag that has come from there moves.
    other.fails("M1712", 2, "pull", f"{remote}:latest@{digest}")
    other.mrun("pull", f"{remote}:v1@{digest}")
    assert rows(other) == [("acme/x", "latest", mine), ("acme/x", "v1", digest)]


def made_here(other, registry):
    """Another tool's model becomes a version with a digest of its own: it is found by the one that was asked for, too."""
    source = push_raw(registry, "acme/tiny", huggingface_files())
    exact = f"{registry.host}/acme/tiny@{source}"
    assert other.mrun("pull", exact, "--dry-run", "--json").json()["reference"] == f"acme/tiny@{source}"
    made = other.mrun("pull", exact, "--json").json()
    assert made["source_digest"] == source and made["reference"] == f"acme/tiny@{made['digest']}" and made["digest"] != source, made
    for reference in (exact, f"acme/tiny@{source}", f"acme/tiny@{made['digest']}"):
        assert other.mrun("show", reference, "--json").json()["digest"] == made["digest"]
    assert other.mrun("pull", exact, "--json").json()["fetched_bytes"] == 0
    other.mrun("gc", "-y")
    assert ("acme/tiny", None, made["digest"]) in rows(other)


run(main)
