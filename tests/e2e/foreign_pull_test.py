"""Goal: models that other tools pushed become bundles: ModelPack in all packings, Docker's runner, KitOps; hostile ones are refused."""

import subprocess
import tarfile

from faulty_registry import Faulty
from foreign_artifacts import ARTIFACT, CONFIG, CONFIG_TYPE, PACK, push_layer, push_raw, weight_class
from harness import Home, run
from model_files import gguf, huggingface_files, tar
from registry_server import Registry


def main(home):
    registry = Registry(home.path / "registry")
    try:
        takes_modelpack(home, registry)
        takes_archives(home, registry)
        takes_docker_and_kitops(home, registry)
        refuses_hostile(home, registry)
        refuses_two_meanings()
        counts_each_content_once()
    finally:
        registry.close()


def takes_modelpack(home, registry):
    files = huggingface_files()
    source = push_raw(registry, "acme/tiny", files)
    remote = f"{registry.host}/acme/tiny"
    shown = home.mrun("inspect", remote)
    assert "ModelPack" in shown.out and "model.safetensors" in shown.out, shown
    assert home.mrun("inspect", remote, "--json").json()["source"]["kind"] == "a ModelPack artifact"
    plan = home.mrun("pull", remote, "--dry-run", "--json").json()
    assert plan["digest"] is None and plan["source_digest"] == source and plan["fetched_bytes"] > 8000, plan
    pulled = home.mrun("pull", remote)
    digest = pulled.out.strip()
    assert digest != source and "ModelPack" in pulled.err and "no engine `transformer`" in pulled.err, pulled
    model = home.mrun("show", "acme/tiny", "--json").json()
    assert model["digest"] == digest and model["manifest"]["license"] == "Apache-2.0", model
    assert model["manifest"]["task"] == "text-generation" and {f["path"] for f in model["files"]} == set(files) | {"mrun.yaml"}, model

    # the same manifest again: one request, nothing made anew
    registry.requests()
    again = home.mrun("pull", remote, "--json").json()
    assert again["fetched_bytes"] == 0 and again["digest"] == digest, again
    assert len(registry.requests()) == 1
    # elsewhere it becomes the very same version
    other = Home()
    try:
        assert other.mrun("pull", remote).out.strip() == digest
    finally:
        other.close()
    # it can be packed on, pushed as a bundle, and not run: said so
    refused = home.fails("M1410", 1, "predict", "acme/tiny", "-i", "prompt=hi")
    assert "no engine 'transformer'" in refused.err and "not run" in refused.err, refused
    home.mrun("push", "acme/tiny", f"{registry.host}/acme/bundle")

    # a new version under the tag moves it, and says so
    files["README.md"] = files["README.md"].replace(b"apache-2.0", b"mit")
    push_raw(registry, "acme/tiny", files)
    moved = home.mrun("pull", remote)
    assert "moved from" in moved.err and moved.out.strip() != digest, moved
    # names of before ModelPack went to CNCF
    push_raw(registry, "acme/old", huggingface_files(), prefix="org.cnai.model")
    home.mrun("pull", f"{registry.host}/acme/old")
    # an artifact that brings its own mrun.yaml keeps it
    manifest = "mrun: 1\nname: their/name\nengine: echo\nfiles: []\noutput: {type: any}\n"
    push_raw(registry, "acme/own", {"mrun.yaml": manifest.encode()})
    home.mrun("pull", f"{registry.host}/acme/own")
    assert home.mrun("show", "acme/own", "--json").json()["model"] == "their/name"


def takes_archives(home, registry):
    files = huggingface_files()
    (home.path / "t.tar").write_bytes(tar(files))
    zstd = subprocess.run(["zstd", "-q", "-c", str(home.path / "t.tar")], capture_output=True, check=True).stdout
    made = set()
    for packing, content in (("tar", tar(files)), ("tar+gzip", tar(files, "w:gz")), ("tar+zstd", zstd)):
        push_layer(registry, "acme/archive", content, packing)
        made.add(home.mrun("pull", f"{registry.host}/acme/archive").out.strip())
    assert len(made) == 1, made # however they travelled, the files are the same
    names = {f["path"] for f in home.mrun("show", "acme/archive", "--json").json()["files"]}
    assert names == set(files) | {"mrun.yaml"}, names
    assert not list((home.home / "data/tmp").iterdir()), "an archive was left"
    assert home.mrun("gc", "--dry-run", "--json").json()["size_bytes"] < 100_000


def takes_docker_and_kitops(home, registry):
    model = gguf(general__architecture="llama", general__name="Docker's", general__license="mit")
    config = registry.put_blob("ai/small", b'{"config":{"format":"gguf"},"descriptor":{}}', "application/vnd.docker.ai.model.config.v0.1+json")
    layers = [registry.put_blob("ai/small", model, "application/vnd.docker.ai.gguf.v3"),
              registry.put_blob("ai/small", b"text", "application/vnd.docker.ai.license")]
    registry.put_artifact("ai/small", "latest", config, layers)
    home.mrun("pull", f"{registry.host}/ai/small")
    shown = home.mrun("show", "ai/small", "--json").json()
    assert shown["manifest"]["model"] == "model.gguf" and shown["manifest"]["license"] == "MIT", shown

    config = registry.put_blob("kit/small", b'{"package":{"name":"k"}}', "application/vnd.kitops.modelkit.config.v1+json")
    layer = registry.put_blob("kit/small", tar(huggingface_files(), "w:gz"), "application/vnd.kitops.modelkit.model.v1.tar+gzip")
    registry.put_artifact("kit/small", "latest", config, [layer])
    home.mrun("pull", f"{registry.host}/kit/small")


def refuses_hostile(home, registry):
    blobs = home.home / "data/blobs/sha256"

    def refused(code, exit_code, repository):
        tags = home.mrun("ls", "--json").out
        home.fails(code, exit_code, "pull", f"{registry.host}/{repository}")
        assert home.mrun("ls", "--json").out == tags

    files = huggingface_files()
    for index, name in enumerate(("../evil", "/etc/evil", "a/../../evil", "a\\b", "a/./b")):
        push_raw(registry, f"bad/path{index}", files | {name: b"x"})
        before = len(list(blobs.iterdir()))
        refused("M1109", 2, f"bad/path{index}")
        assert len(list(blobs.iterdir())) == before, "something moved before the names were looked at"
        push_layer(registry, f"bad/tar{index}", tar(files | {name: b"x"}), "tar")
        refused("M1109", 2, f"bad/tar{index}")
    push_raw(registry, "bad/case", files | {"CONFIG.JSON": b"x"})
    refused("M1109", 2, "bad/case")
    push_raw(registry, "bad/below", files | {"config.json/x": b"x"})
    refused("M1109", 2, "bad/below")

    def entry(name, kind, link=""):
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        return info
    for index, info in enumerate((entry("l", tarfile.SYMTYPE, "/etc/passwd"), entry("h", tarfile.LNKTYPE, "config.json"),
                                  entry("p", tarfile.FIFOTYPE), entry("d", tarfile.CHRTYPE))):
        push_layer(registry, f"bad/entry{index}", tar(files, extra=[info]), "tar")
        refused("M1112", 10, f"bad/entry{index}")
    push_layer(registry, "bad/bomb", tar({"zeros": bytes(64 << 20)}, "w:gz"), "tar+gzip")
    refused("M1112", 10, "bad/bomb")
    (home.path / "wide.tar").write_bytes(tar(files | {"zeros": bytes(200 << 20)}))
    wide = subprocess.run(["zstd", "-q", "--ultra", "--long=31", "-1", "-c", str(home.path / "wide.tar")], capture_output=True, check=True).stdout
    push_layer(registry, "bad/wide", wide, "tar+zstd")
    refused("M1112", 10, "bad/wide")
    told = home.try_mrun("pull", f"{registry.host}/bad/wide")
    assert "of memory to unpack" in told.err and "--long=27" in told.err, told
    push_layer(registry, "bad/cut", tar(files)[:3000], "tar")
    refused("M1112", 10, "bad/cut")
    push_layer(registry, "bad/nogzip", tar(files), "tar+gzip")
    refused("M1112", 10, "bad/nogzip")

    # no model, no weights, weights that run code
    config = registry.put_blob("bad/image", b"{}", "application/vnd.oci.image.config.v1+json")
    registry.put_artifact("bad/image", "latest", config, [registry.put_blob("bad/image", tar({}), "application/vnd.oci.image.layer.v1.tar")])
    refused("M1112", 10, "bad/image")
    push_raw(registry, "bad/empty", {"README.md": b"nothing"})
    refused("M1113", 2, "bad/empty")
    push_raw(registry, "bad/pickle", {"config.json": files["config.json"], "pytorch_model.bin": b"\x80\x02."})
    refused("M1113", 2, "bad/pickle")
    assert not (home.path / "evil").exists()


def refuses_two_meanings():
    """A manifest that calls itself something else than its header does (CVE-2021-41190)."""
    faulty = Faulty()
    config = faulty.put_blob("a/b", CONFIG, CONFIG_TYPE)
    layers = [faulty.put_blob("a/b", content, f"{PACK}.{weight_class(name)}.v1.raw", {"org.cncf.model.filepath": name})
              for name, content in huggingface_files().items()]
    try:
        for media_type, ends in (("application/vnd.oci.image.index.v1+json", "M1112"), ("application/vnd.docker.distribution.manifest.v2+json", "M1112"),
                                 ("", "M1112"), (7, "M1112"), (None, "ok")):
            other = Home()
            faulty.put_artifact("a/b", "latest", config, layers, ARTIFACT, mediaType=media_type)
            if ends == "ok":  # it may be absent
                other.mrun("pull", f"{faulty.host}/a/b")
            else:
                other.fails(ends, 10, "pull", f"{faulty.host}/a/b")
                assert other.mrun("ls").out == ""
            other.close()
    finally:
        faulty.close()


def counts_each_content_once():
    """Two files of one content come once, and the plan says so."""
    faulty, other = Faulty(), Home()
    try:
        push_raw(faulty, "acme/two", huggingface_files() | {"a.bin": b"z" * 3_000_000, "b.bin": b"z" * 3_000_000})
        said = other.mrun("pull", f"{faulty.host}/acme/two", "--dry-run", "--json").json()
        pulled = other.mrun("pull", f"{faulty.host}/acme/two", "--json").json()
        assert 3_000_000 < said["fetched_bytes"] == pulled["fetched_bytes"] < 4_000_000, (said, pulled)
        assert said["size_bytes"] == pulled["size_bytes"] > 6_000_000, said
    finally:
        faulty.close()
        other.close()


run(main)
