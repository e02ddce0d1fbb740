"""Goal: a registry behind TLS is trusted as the user's Docker would, asked over HTTP/2, and used within a proxy's limits."""

import os
import shutil

from harness import Home, run
from registry_server import Registry
from tls_front import Authority, Front

FILES = 120


def main(home):
    registry, authority = Registry(home.path / "registry"), Authority(home.path / "authority")
    front = Front(home.path / "front", authority, registry.port)
    try:
        files = {f"part{i}.txt": os.urandom(3000) for i in range(FILES)}
        folder = home.model("demo/many", pack=False, files=files | {"big.bin": os.urandom(9_000_000)}, globs=["*.txt", "big.bin"])
        digest = home.mrun("pack", folder).out.strip()
        trusts(home, front, authority)
        asks_over_http2(home, front, registry, digest)
        client_certificate(home, registry, authority)
        keeps_within_limits(home, registry, authority, digest)
    finally:
        front.close()
        registry.close()


def trust_for(home, host, authority):
    """As for Podman, without root."""
    folder = home.path / ".config/containers/certs.d" / host
    folder.mkdir(parents=True)
    shutil.copy(authority.certificate, folder / "ca.crt")
    return folder


def trusts(home, front, authority):
    # A folder of certs.d asks for TLS on this machine too; an empty one says nothing of whom to trust.
    stranger = f"127.0.0.1:{front.port}/demo/none"
    (home.path / f".config/containers/certs.d/127.0.0.1:{front.port}").mkdir(parents=True)
    home.fails("M1702", 1, "tags", stranger)
    for variable in ("SSL_CERT_FILE", "CURL_CA_BUNDLE"):
        home.fails("M1708", 5, "tags", stranger, env={variable: str(authority.certificate)})
    # A folder of certs.d: localhost is spoken to over TLS, with what is there besides the system's roots.
    remote = f"{front.host}/demo/none"
    folder = trust_for(home, front.host, authority)
    home.fails("M1708", 5, "tags", remote)
    # Another authority's, and a file that is none.
    other = Authority(home.path / "other-authority")
    shutil.copy(other.certificate, folder / "ca.crt")
    home.fails("M1702", 1, "tags", remote)
    (folder / "ca.crt").write_text("no certificate")
    home.fails("M1702", 1, "tags", remote)
    (folder / "ca.crt").unlink()
    (folder / "ca.crt").mkdir()
    assert "ca.crt" in home.fails("M1601", 1, "tags", remote).err
    (folder / "ca.crt").rmdir()
    shutil.copy(authority.certificate, folder / "ca.crt")
    # Right authority, wrong name.
    wrong = Front(home.path / "wrong", authority, 1, names="DNS:other.example")
    try:
        trust_for(home, wrong.host, authority)
        home.fails("M1702", 1, "tags", f"{wrong.host}/demo/none")
    finally:
        wrong.close()


def asks_over_http2(home, front, registry, digest):
    remote = f"{front.host}/demo/many"
    front.requests()
    pushed = home.mrun("push", "demo/many", remote, "--json").json()
    assert pushed["digest"] == digest and pushed["sent_bytes"] > 9_000_000, pushed
    seen = front.requests()
    assert {protocol for _, protocol, _, _ in seen} == {"HTTP/2.0"}, seen[:3]
    heads = [connection for connection, _, method, _ in seen if method == "HEAD"]
    assert len(heads) >= FILES and len(set(heads)) == 1, (len(heads), set(heads))  # all questions on one connection
    # Nothing has changed: one request. One small file has: only that is asked for and sent.
    again = home.mrun("push", "demo/many", remote, "--json").json()
    assert again["was_there"] and [method for _, _, method, _ in front.requests()] == ["HEAD"]
    (home.path / "demo-many/part7.txt").write_text("changed")
    home.mrun("pack", home.path / "demo-many")
    changed = home.mrun("push", "demo/many", remote, "--json").json()
    assert 0 < changed["sent_bytes"] < 100_000, changed
    methods = [method for _, _, method, _ in front.requests()]
    assert methods.count("HEAD") <= 1 + 3 and methods.count("GET") == 0, methods  # the tag; manifest config, recipe or file
    # A known blob that the registry has lost is noticed by the manifest, and sent after all.
    lost = max(registry.folder.glob("data/docker/registry/v2/repositories/demo/many/_layers/sha256/*"), key=lambda p: p.name)
    blob = lost.name
    shutil.rmtree(lost)
    (home.path / "demo-many/part8.txt").write_text("changed")
    third = home.mrun("pack", home.path / "demo-many").out.strip()
    home.mrun("push", "demo/many", remote)
    other = Home()
    try:
        shutil.copytree(home.path / ".config", other.path / ".config")
        front.requests()
        assert other.mrun("pull", remote).out.strip() == third, blob
        assert {protocol for _, protocol, _, _ in front.requests()} == {"HTTP/2.0"}
    finally:
        other.close()


def client_certificate(home, registry, authority):
    clients = Authority(home.path / "clients")
    front = Front(home.path / "mutual", authority, registry.port, client_authority=clients)
    try:
        remote = f"{front.host}/demo/many"
        folder = trust_for(home, front.host, authority)
        home.fails("M1704", 1, "tags", remote)  # nginx answers 400 in HTML
        key, certificate = clients.sign("me", "DNS:me.example")
        shutil.copy(certificate, folder / "me.cert")
        home.fails("M1702", 1, "tags", remote)  # its key is missing
        shutil.copy(key, folder / "me.key")
        assert home.mrun("tags", remote).out == "latest\n"
    finally:
        front.close()


def keeps_within_limits(home, registry, authority, digest):
    """A proxy that takes 2 MiB a request: larger blobs go in chunks that fit."""
    front = Front(home.path / "small", authority, registry.port, body_limit="2m", http2=False)
    try:
        trust_for(home, front.host, authority)
        remote = f"{front.host}/demo/limited"
        pushed = home.mrun("push", f"demo/many@{digest}", remote, "--json").json()
        assert pushed["sent_bytes"] > 9_000_000, pushed
        seen = front.requests()
        assert {protocol for _, protocol, _, _ in seen} == {"HTTP/1.1"}, seen[:3]
        assert [status for _, _, method, status in seen if method == "PATCH"].count("202") >= 9, seen
        other = Home()
        try:
            assert other.mrun("pull", f"{registry.host}/demo/limited").out.strip() == digest
        finally:
            other.close()
    finally:
        front.close()


run(main)
