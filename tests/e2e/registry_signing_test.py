"""Goal: what is signed and pushed is pulled by those who ask for that key, and by nobody when anything about it is wrong.

At Debian's docker-registry, which has no referrers API, and at a small one of our own that has it.
"""

import base64
import hashlib
import json
import pathlib
import subprocess
import tarfile
import urllib.error
import urllib.request

from harness import Home, run
from referrers_server import ReferrersServer
from registry_server import Registry
from screen import Screen

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def keys(folder):
    """A pair of each kind, made by the openssl program."""
    folder.mkdir()
    for name, options in {"ed": ["ed25519"], "p256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
                          "p384": ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"], "other": ["ed25519"]}.items():
        subprocess.run(["openssl", "genpkey", "-algorithm", *options, "-out", folder / f"{name}.pem"], check=True, capture_output=True)
        subprocess.run(["openssl", "pkey", "-in", folder / f"{name}.pem", "-pubout", "-out", folder / f"{name}.pub"], check=True)
        (folder / f"{name}.pem").chmod(0o600)
    subprocess.run(["openssl", "pkcs8", "-topk8", "-in", folder / "ed.pem", "-out", folder / "locked.pem", "-passout", "pass:open sesame"], check=True)
    (folder / "locked.pem").chmod(0o600)
    return folder


class Remote:
    """A repository as another client sees it."""

    def __init__(self, host, name):
        self.base, self.name = f"http://{host}/v2/{name}", name

    def get(self, path, accept=f"{MANIFEST}, {INDEX}"):
        request = urllib.request.Request(f"{self.base}/{path}", headers={"Accept": accept})
        try:
            with urllib.request.urlopen(request) as reply:
                return reply.read()
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def put(self, path, body, media_type):
        request = urllib.request.Request(f"{self.base}/{path}", data=body, method="PUT", headers={"Content-Type": media_type})
        urllib.request.urlopen(request).close()

    def put_blob(self, body):
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        start = urllib.request.Request(f"{self.base}/blobs/uploads/", data=b"", method="POST")
        with urllib.request.urlopen(start) as reply:
            place = reply.headers["Location"]
        place += ("&" if "?" in place else "?") + "digest=" + digest
        if place.startswith("/"):
            place = self.base[:self.base.index("/v2/")] + place
        request = urllib.request.Request(place, data=body, method="PUT", headers={"Content-Type": "application/octet-stream"})
        urllib.request.urlopen(request).close()
        return {"digest": digest, "size": len(body)}

    def signatures(self, digest):
        """The descriptors of what belongs to a version: by the API, else by the tag."""
        text = self.get(f"referrers/{digest}", INDEX) or self.get("manifests/" + digest.replace(":", "-"))
        return json.loads(text)["manifests"] if text else []

    def put_signature(self, digest, size, bundle, spoil=lambda manifest: None):
        """Puts any bundle beside a version, by the fallback tag as well."""
        config = self.put_blob(b"{}") | {"mediaType": "application/vnd.oci.empty.v1+json"}
        layer = self.put_blob(bundle) | {"mediaType": BUNDLE}
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": BUNDLE, "config": config, "layers": [layer],
                    "subject": {"mediaType": MANIFEST, "digest": digest, "size": size}}
        spoil(manifest)
        text = json.dumps(manifest).encode()
        own = "sha256:" + hashlib.sha256(text).hexdigest()
        self.put(f"manifests/{own}", text, MANIFEST)
        if self.get(f"referrers/{digest}", INDEX) is None:
            tag = "manifests/" + digest.replace(":", "-")
            index = json.loads(self.get(tag) or json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}))
            index["manifests"].append({"mediaType": MANIFEST, "digest": own, "size": len(text), "artifactType": BUNDLE})
            self.put(tag, json.dumps(index).encode(), INDEX)


def openssl_verifies(public, bundle, digest, folder):
    """The envelope's signature, by the openssl program over an encoding made here."""
    envelope = bundle["dsseEnvelope"]
    payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
    statement = json.loads(payload)
    assert statement["subject"][0]["digest"]["sha256"] == digest.removeprefix("sha256:"), statement
    assert statement["predicateType"] == "https://sigstore.dev/cosign/sign/v1", statement
    (folder / "message").write_bytes(b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload))
    (folder / "signature").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    raw = ["-rawin", "-digest", "sha384"] if public.stem == "p384" else ["-rawin"]
    subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public, *raw, "-in", folder / "message", "-sigfile", folder / "signature"],
                   check=True, capture_output=True)
    der = subprocess.run(["openssl", "pkey", "-pubin", "-in", public, "-outform", "DER"], check=True, capture_output=True).stdout
    hint = base64.b64encode(hashlib.sha256(der).digest()).decode()
    assert bundle == {"mediaType": BUNDLE, "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []}, "dsseEnvelope": envelope}, bundle


def journey(home, host, pem):
    """Sign, look, pull, at one registry."""
    remote, there = f"{host}/acme/echo", Remote(host, "acme/echo")
    digest = home.mrun("push", "acme/echo", remote).out.strip()
    stranger = Home()
    try:
        # Unsigned: refused before anything is fetched; without --key it is as ever.
        stranger.fails("M1803", 4, "pull", remote, "--key", pem / "ed.pub")
        assert not list((stranger.home / "data/blobs/sha256").iterdir()) and stranger.mrun("ls").out == ""

        # A push of what is there already signs it; a second time there is nothing to do, with ECDSA as well.
        for name in ("ed", "p256", "p384"):
            first = home.mrun("push", "acme/echo", remote, "--sign", pem / f"{name}.pem", "--json").json()
            assert first["was_there"] and first["signature_sent"] and first["sent_bytes"] == 0, first
            again = home.mrun("push", "acme/echo", remote, "--sign", pem / f"{name}.pem", "--json").json()
            assert not again["signature_sent"] and again["key_hint"] == first["key_hint"], again
        found = there.signatures(digest)
        assert len(found) == 3 and {one["artifactType"] for one in found} == {BUNDLE}, found
        for one in found:
            assert one["annotations"]["dev.sigstore.bundle.content"] == "dsse-envelope", one
            assert one["annotations"]["dev.sigstore.bundle.predicateType"] == "https://sigstore.dev/cosign/sign/v1", one
            manifest = json.loads(there.get(f"manifests/{one['digest']}"))
            assert manifest["subject"]["digest"] == digest and manifest["artifactType"] == BUNDLE, manifest
            bundle = json.loads(there.get(f"blobs/{manifest['layers'][0]['digest']}"))
            hint = bundle["verificationMaterial"]["publicKey"]["hint"]
            public = next(key for key in (pem / "ed.pub", pem / "p256.pub", pem / "p384.pub") if hint_of(key) == hint)
            openssl_verifies(public, bundle, digest, home.path)

        # Each of the keys opens it; another one does not; one of several is enough.
        stranger.fails("M1804", 4, "pull", remote, "--key", pem / "other.pub")
        assert stranger.mrun("ls").out == ""
        plan = stranger.mrun("pull", remote, "--key", pem / "p256.pub", "--dry-run", "--json").json()
        assert plan["signed_by"] == str(pem / "p256.pub") and plan["fetched_bytes"] > 0, plan
        pulled = stranger.mrun("pull", remote, "--key", pem / "other.pub", "--key", pem / "ed.pub", "--json").json()
        assert pulled["signed_by"] == str(pem / "ed.pub") and pulled["digest"] == digest, pulled
        for name in ("p256", "p384"):
            stranger.mrun("pull", f"{remote}@{digest}", "--key", pem / f"{name}.pub")

        # The signatures lie beside the version, and go with it.
        kept = [entry for entry in index_of(stranger) if entry["artifactType"] == BUNDLE]
        assert len(kept) == 3 and {entry["annotations"]["run.mrun.subject"] for entry in kept} == {digest}, kept
        assert len(json.loads(stranger.mrun("ls", "--json").out)["models"]) == 1
        stranger.mrun("gc", "-y")
        assert len([entry for entry in index_of(stranger) if entry["artifactType"] == BUNDLE]) == 3

        # They verify there and, without the registry, here; what was packed here has none.
        seen = stranger.mrun("verify", remote, "--key", pem / "p384.pub", "--json").json()
        assert seen["signatures"] == [{"reference": f"{remote}:latest", "digest": digest, "signed_by": str(pem / "p384.pub")}], seen
        seen = stranger.mrun("verify", "acme/echo", "--key", pem / "ed.pub", "--json").json()
        assert seen["ok"] and seen["signatures"][0]["digest"] == digest and seen["hashed_bytes"] > 0, seen
        stranger.fails("M1804", 4, "verify", "acme/echo", "--key", pem / "other.pub")
        stranger.fails("M1804", 4, "verify", remote, "--key", pem / "other.pub")
        stranger.fails("M1001", 2, "verify", "--key", pem / "ed.pub")
        home.fails("M1803", 4, "verify", "acme/echo", "--key", pem / "ed.pub")

        # They travel in a file too.
        carried(home, stranger, digest, pem)

        # Another version under the same tag has no signature of its own.
        folder = home.path / "acme-echo"
        (folder / "label.txt").write_text("two")
        home.mrun("pack", folder)
        home.mrun("push", "acme/echo", remote)
        stranger.fails("M1803", 4, "pull", remote, "--key", pem / "ed.pub")
        forged(home, stranger, there, remote, digest, pem)
    finally:
        stranger.close()


def carried(home, stranger, digest, pem):
    """A saved version takes its signatures along; one that was tampered with is not loaded."""
    third = Home()
    folder, saved = third.path / "layout", third.path / "signed.tar"
    try:
        stranger.mrun("save", "acme/echo", "-o", saved)
        with tarfile.open(saved) as archive:
            archive.extractall(folder, filter="data")
        bundle = max((folder / "blobs/sha256").iterdir(), key=lambda path: b"dsseEnvelope" in path.read_bytes())
        for source in (saved, folder):
            loaded = third.mrun("load", source, "--json").json()
            assert loaded["versions"][0]["digest"] == digest and loaded["other_artifacts"] == 0, loaded
            third.mrun("verify", "acme/echo", "--key", pem / "ed.pub")
            third.fails("M1804", 4, "verify", "acme/echo", "--key", pem / "other.pub")
            third.mrun("rm", "acme/echo", "-y")
            third.mrun("gc", "-y")
            assert third.mrun("verify", "--all", "--json").json()["blobs"] == 0
        bundle.write_bytes(bundle.read_bytes().replace(b"dsse", b"DSSE"))
        third.fails("M1112", 10, "load", folder)
        bundle.unlink()
        third.fails("M1112", 10, "load", folder)
        assert third.mrun("ls").out == ""
    finally:
        third.close()


def index_of(home):
    return json.loads((home.home / "data/index.json").read_text())["manifests"]


def hint_of(public):
    der = base64.b64decode("".join(public.read_text().splitlines()[1:-1]))
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


def forged(home, stranger, there, remote, signed, pem):
    """What somebody who may push, but has no key, can put beside a version."""
    manifest = there.get("manifests/latest")
    digest, size = "sha256:" + hashlib.sha256(manifest).hexdigest(), len(manifest)
    one = json.loads(there.get(f"manifests/{there.signatures(signed)[0]['digest']}"))
    real = there.get(f"blobs/{one['layers'][0]['digest']}")

    def refused(code):
        outcome = stranger.fails(code, 4, "pull", remote, "--key", pem / "ed.pub")
        assert stranger.mrun("ls").out.count("acme/echo") == 1, outcome
        return outcome

    there.put_signature(digest, size, real)  # of another version
    assert "another digest" in refused("M1804").err
    bundle = json.loads(real)
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"]).replace(signed[7:].encode(), digest[7:].encode())
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    there.put_signature(digest, size, json.dumps(bundle).encode())  # another payload under the same signature
    refused("M1804")
    there.put_signature(digest, size, b"not json")
    there.put_signature(digest, size, b"[" * 1000)
    there.put_signature(digest, size, b" " * 300_000)  # too large to be looked at
    there.put_signature(digest, size, real, lambda m: m["layers"].append(m["layers"][0]))
    there.put_signature(digest, size, real, lambda m: m["subject"].update(digest=signed))
    there.put_signature(digest, size, real, lambda m: m["layers"][0].update(size=10))
    refused("M1804")
    # The owner's signature among all of them is found.
    home.mrun("push", "acme/echo", remote, "--sign", pem / "ed.pem")
    stranger.mrun("pull", remote, "--key", pem / "ed.pub")


def rules(home, host, pem):
    """require_signature of config.yaml."""
    remote = f"{host}/acme/ruled"
    home.model("acme/ruled")
    home.mrun("push", "acme/ruled", remote)
    other = Home()
    try:
        other.home.mkdir(exist_ok=True)
        config = other.home / "config.yaml"
        (other.home / "ed.pub").write_bytes((pem / "ed.pub").read_bytes())
        config.write_text(f"require_signature:\n  {host}/acme: [ed.pub]\n")
        other.fails("M1803", 4, "pull", remote)
        config.write_text(f"require_signature:\n  {host}/acme: {{mode: warn, keys: [ed.pub]}}\n")
        warned = other.mrun("pull", remote)
        assert "warning" in warned.err and "not signed" in warned.err, warned
        other.mrun("rm", "acme/ruled", "-y")
        config.write_text(f"require_signature:\n  {host}/acme/ruled: off\n  {host}/acme: [ed.pub]\n")
        assert "signed" not in other.mrun("pull", remote).err
        inline = "".join(f"      {line}\n" for line in (pem / "p256.pub").read_text().splitlines())
        config.write_text(f"require_signature:\n  {host}/*:\n    - ed.pub\n    - |\n{inline}")
        other.fails("M1803", 4, "pull", remote)
        home.mrun("push", "acme/ruled", remote, "--sign", pem / "p256.pem")
        assert "signed by the key of" in other.mrun("pull", remote).err
        other.fails("M1804", 4, "pull", remote, "--key", pem / "other.pub")
        # Broken rules stop everything: none of them may silently not hold.
        config.write_text("require_signatures: {}\n")
        other.fails("M1603", 2, "pull", remote)
        config.write_text(f"require_signature:\n  {host}/acme: [gone.pub]\n")
        assert "require_signature" in other.fails("M1801", 2, "pull", remote).err
        config.write_text(f"require_signature:\n  {host}/acme: [{pem}/ed.pem]\n")
        other.fails("M1801", 2, "pull", remote)
    finally:
        other.close()


def secrets(home, host, pem):
    """Private keys: encrypted ones, unfit ones, ones that others may read."""
    remote = f"{host}/acme/secret"
    home.model("acme/secret")
    locked = pem / "locked.pem"
    home.fails("M1802", 2, "push", "acme/secret", remote, "--sign", locked)
    home.fails("M1802", 2, "push", "acme/secret", remote, "--sign", locked, env={"MRUN_SIGN_PASSPHRASE": "wrong"})
    home.fails("M1802", 2, "push", "acme/secret", remote, "--sign", locked, "--passphrase-stdin", input="wrong\n")
    home.fails("M1801", 2, "push", "acme/secret", remote, "--sign", pem / "ed.pub")
    home.fails("M1801", 2, "push", "acme/secret", remote, "--sign", pem / "none.pem")
    home.fails("M1708", 5, "tags", remote)  # nothing was sent
    dry = home.mrun("push", "acme/secret", remote, "--sign", locked, "--dry-run", env={"MRUN_SIGN_PASSPHRASE": "open sesame"})
    assert "would be signed" in dry.err, dry
    done = home.mrun("push", "acme/secret", remote, "--sign", locked, "--passphrase-stdin", input="open sesame\n")
    assert "signed with" in done.err and "sesame" not in done.out + done.err, done
    assert not home.mrun("push", "acme/secret", remote, "--sign", pem / "ed.pem", "--json").json()["signature_sent"]
    (pem / "ed.pem").chmod(0o644)
    assert "chmod 600" in home.mrun("push", "acme/secret", remote, "--sign", pem / "ed.pem").err
    (pem / "ed.pem").chmod(0o600)
    assert "open sesame" not in typed(home, "push", "acme/secret", remote, "--sign", locked)


def typed(home, *args):
    """On a terminal the passphrase is asked for, and not shown."""
    return Screen(home, *args).until("passphrase of").type("open sesame\n").end().shown


def main(home):
    pem = keys(pathlib.Path(home.path) / "keys")
    registry, api = Registry(home.path / "registry"), ReferrersServer()
    try:
        folder = home.model("acme/echo", pack=False, files={"label.txt": "one"})
        home.mrun("pack", folder)
        journey(home, registry.host, pem)
        (folder / "label.txt").write_text("three")
        home.mrun("pack", folder)
        journey(home, api.host, pem)
        rules(home, registry.host, pem)
        secrets(home, registry.host, pem)
        lists(home, api, pem)
    finally:
        registry.close()
        api.close()


def lists(home, api, pem):
    """The list of referrers: in pages, unfiltered, by others' hands, and with somebody else writing at the same time."""
    remote, there = f"{api.host}/acme/lists", Remote(api.host, "acme/lists")
    home.model("acme/lists")
    digest = home.mrun("push", "acme/lists", remote, "--sign", pem / "ed.pem").out.strip()
    other = Home()
    try:
        pull = ("pull", remote, "--key", pem / "ed.pub")
        api.page_size = 1
        api.filters = False
        api.junk = [7, {}, {"digest": "x", "size": 1}, {"digest": digest, "size": -1},
                    {"digest": digest, "size": 1, "artifactType": "application/spdx+json"}]
        other.mrun(*pull)
        api.page_size, api.junk = 0, []
        for answer, code, exit_code in (((200, "text/html", b"<html>"), "M1704", 1), ((200, INDEX, b"{"), "M1704", 1),
                                        ((200, INDEX, b'{"manifests":{}}'), "M1704", 1), ((403, INDEX, b""), "M1707", 4)):
            api.referrers_answer = answer
            other.fails(code, exit_code, *pull)
        api.referrers_answer = None
        api.next_link = "http://127.0.0.1:1/v2/"
        other.fails("M1703", 1, *pull)
        api.next_link = None
        # No API: the tag, which others write to between our reading and writing (412), or use for something else.
        api.has_referrers = False
        home.mrun("push", "acme/lists", remote, "--sign", pem / "ed.pem")
        api.outdate = 2
        home.mrun("push", "acme/lists", remote, "--sign", pem / "p256.pem")
        assert api.outdate == 0 and len(there.signatures(digest)) == 2, there.signatures(digest)
        other.mrun(*pull)
        api.outdate = 100
        home.fails("M1705", 75, "push", "acme/lists", remote, "--sign", pem / "p384.pem")
        api.outdate = 0
        there.put("manifests/" + digest.replace(":", "-"), there.get("manifests/latest"), MANIFEST)
        other.fails("M1704", 1, *pull)
        home.fails("M1704", 1, "push", "acme/lists", remote, "--sign", pem / "p384.pem")
    finally:
        other.close()


run(main)
