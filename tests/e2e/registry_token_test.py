"""Goal: a registry with token authentication lets the right people in, goes on when tokens end, and gives away no secret."""

import base64
import json
import os

from harness import Home, run
from registry_server import Registry
from slow_link import SlowLink
from token_server import TokenServer

SECRET = "s3cret-word"


def scopes_of(tokens):
    return {scope for _, form, _ in tokens.seen for scope in form.get("scope", [])}


def model(home, name, files):
    folder = home.model(name, pack=False, files=files)
    return home.mrun("pack", folder).out.strip()


def main(home):
    tokens = TokenServer(home.path / "tokens")
    registry = Registry(home.path / "registry", tokens=tokens)
    link = SlowLink(registry.port, up=1_000_000)
    other = Home()
    try:
        base = {f"part{i}.bin": os.urandom(1_500_000) for i in range(16)}
        digest = model(home, "demo/base", base)
        logs_in(home, tokens, registry)
        anybody_pulls_what_is_public(home, other, tokens, registry, digest)
        goes_on_when_tokens_end(home, tokens, registry, link, digest)
        mounts(home, tokens, registry, base)
        refreshes(home, tokens, registry)
        token_server_in_trouble(home, tokens, registry)
    finally:
        other.close()
        link.close()
        registry.close()
        tokens.close()


def logs_in(home, tokens, registry):
    home.fails("M1706", 4, "push", "demo/base", f"{registry.host}/demo/private")
    server = tokens.url.split("/")[2]
    login = "login", registry.host, "-u", "me", "--token-stdin", "--token-server", server
    home.fails("M1706", 4, *login, input="wrong")
    tokens.seen.clear()
    home.fails("M1703", 1, *login[:-2], input=SECRET)  # a password goes to hosts that were named
    assert tokens.seen == []
    done = home.mrun(*login, input=SECRET + "\n")
    assert SECRET not in done.out + done.err, done
    assert scopes_of(tokens) == set(), tokens.seen  # no repository is asked for
    # The password is in the Authorization header of the request to the realm, in no URL.
    assert all(SECRET not in json.dumps(form) for _, form, _ in tokens.seen), tokens.seen
    log = (registry.folder / "log").read_text()
    assert SECRET not in log and base64.b64encode(f"me:{SECRET}".encode()).decode() not in log


def anybody_pulls_what_is_public(home, other, tokens, registry, digest):
    public, private = f"{registry.host}/demo/public", f"{registry.host}/demo/private"
    assert home.mrun("push", "demo/base", public, "--json").json()["digest"] == digest
    tokens.seen.clear()
    assert other.mrun("pull", public).out.strip() == digest  # no credentials in that home
    assert {authorization for _, _, authorization in tokens.seen} == {None}, tokens.seen
    assert scopes_of(tokens) == {"repository:demo/public:pull"}, tokens.seen
    home.mrun("push", "demo/base", private)
    other.fails("M1706", 4, "pull", private)
    other.fails("M1706", 4, "push", "demo/public", f"{public}:another")
    tokens.forbidden = {"demo/forbidden"}
    home.fails("M1706", 4, "push", "demo/base", f"{registry.host}/demo/forbidden")


def goes_on_when_tokens_end(home, tokens, registry, link, digest):
    """24 MB at 1 MB/s a connection take seconds, on however many connections; the tokens end before."""
    names_token_server(home, link.host, tokens)
    login = home.path / "link-config"
    login.mkdir()
    auth = base64.b64encode(f"me:{SECRET}".encode()).decode()
    (login / "config.json").write_text(json.dumps({"auths": {link.host: {"auth": auth}}}))
    env = {"DOCKER_CONFIG": str(login)}
    for name, claimed in (("told", 1), ("lying", 300)):  # whether the client knows when its token ends
        tokens.lifetime, tokens.claimed, tokens.seen = 1, claimed, []
        (home.home / "cache/pushed.json").unlink()  # nothing to mount
        registry.answers_since()
        remote = f"{link.host}/demo/short-{name}"
        pushed = home.mrun("push", "demo/base", remote, "--json", env=env).json()
        assert pushed["digest"] == digest, pushed
        answers = registry.answers_since()
        # Every blob was begun once: a session whose token ended went on at its place.
        posts = [line for line, status in answers if line.startswith("POST") and status == 202]
        assert len(posts) == pushed_blobs(home, digest), posts
        assert len(tokens.seen) >= 2, tokens.seen
        refused = [line for line, status in answers if status == 401]
        if claimed != 1:  # else a fast machine gets its tokens in time, and a slow one may not
            assert len(refused) >= 2, refused
        pulled = Home()
        names_token_server(pulled, link.host, tokens)
        assert pulled.mrun("pull", remote, env=env).out.strip() == digest
        pulled.close()
    tokens.lifetime = tokens.claimed = 300


def names_token_server(home, host, tokens):
    """As the user of a Docker login does, where tokens are given out at another host."""
    home.home.mkdir(exist_ok=True)
    (home.home / "config.yaml").write_text(f"token_servers: {{\"{host}\": [\"{tokens.url.split('/')[2]}\"]}}\n")


def pushed_blobs(home, digest):
    manifest = json.loads((home.home / "data/blobs/sha256" / digest.removeprefix("sha256:")).read_text())
    return len({manifest["config"]["digest"]} | {layer["digest"] for layer in manifest["layers"]})


def mounts(home, tokens, registry, base):
    """The fine-tune's new bytes move; the base's are the registry's already, in another repository."""
    tuned = model(home, "demo/tuned", base | {"head.bin": os.urandom(700_000)})
    assert home.mrun("push", "demo/base", f"{registry.host}/demo/private", "--json").json()["was_there"]  # noted from now on
    registry.answers_since()
    tokens.seen.clear()
    dry = home.mrun("push", "demo/tuned", f"{registry.host}/demo/tuned", "--json", "--dry-run").json()
    pushed = home.mrun("push", "demo/tuned", f"{registry.host}/demo/tuned", "--json").json()
    assert pushed["digest"] == tuned, pushed
    assert pushed["mounted_bytes"] == 16 * 1_500_000 and 700_000 < pushed["sent_bytes"] < 750_000, pushed
    assert (dry["mounted_bytes"], dry["sent_bytes"]) == (pushed["mounted_bytes"], pushed["sent_bytes"]), (dry, pushed)
    answers = registry.answers_since()
    mounted = [line for line, status in answers if "mount=" in line and status == 201]
    assert len(mounted) == 16 and all("from=demo%2F" in line for line in mounted), answers
    assert len([line for line, _ in answers if line.startswith(("PUT", "PATCH")) and "/blobs/" in line]) <= 4, answers
    both = [scope for scope in scopes_of(tokens) if scope != "repository:demo/tuned:pull,push"]
    assert both and all(scope.endswith(":pull") for scope in both), tokens.seen
    # Without the right to read there, the blobs are sent.
    third = Home()
    try:
        third.env["DOCKER_CONFIG"] = str(home.path / ".docker")
        names_token_server(third, registry.host, tokens)
        model(third, "demo/base", base)
        (third.home / "cache").mkdir(exist_ok=True)
        (third.home / "cache/pushed.json").write_bytes((home.home / "cache/pushed.json").read_bytes())
        tokens.forbidden = {"demo/public", "demo/private", "demo/tuned"}
        sent = third.mrun("push", "demo/base", f"{registry.host}/demo/third", "--json").json()
        assert sent["mounted_bytes"] == 0 and sent["sent_bytes"] > 16 * 1_500_000, sent
    finally:
        tokens.forbidden = set()
        third.close()


def refreshes(home, tokens, registry):
    """An identity token goes to the realm in the body of a POST; one that is good once is replaced."""
    folder = home.path / "identity"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"auths": {registry.host: {"identitytoken": "refresh-0"}}}))
    env = {"DOCKER_CONFIG": str(folder)}
    tokens.refresh_tokens, tokens.rotates, tokens.seen = {"refresh-0": "me"}, True, []
    # The mounts ask for tokens of other scopes: several requests, each with the token of the one before.
    home.mrun("push", "demo/tuned", f"{registry.host}/demo/identity", env=env)
    assert len(tokens.seen) >= 2, tokens.seen
    assert tokens.seen and all(method == "POST" and form["grant_type"] == ["refresh_token"] and form["client_id"] == ["mrun"]
                               and authorization is None for method, form, authorization in tokens.seen), tokens.seen
    tokens.refresh_tokens = {}
    home.fails("M1706", 4, "tags", f"{registry.host}/demo/identity", env=env)
    # A server without GET gets user and password the other way.
    tokens.seen = []
    tokens.plan = lambda handler: handler.command == "GET" and (handler.reply(405, {}) or True)
    assert home.mrun("tags", f"{registry.host}/demo/private").out == "latest\n"
    assert [method for method, _, _ in tokens.seen] == ["GET", "POST"], tokens.seen
    assert tokens.seen[1][1]["grant_type"] == ["password"], tokens.seen
    tokens.plan = lambda handler: False


def token_server_in_trouble(home, tokens, registry):
    remote = f"{registry.host}/demo/private"
    trouble = iter([503, 429])

    def busy(handler):
        status = next(trouble, None)
        return status is not None and (handler.reply(status, {}) or True)
    tokens.plan = busy
    assert home.mrun("tags", remote).out == "latest\n"
    for body in (b"", b"<html>", b"[]", b"{}", b'{"token":7}', b'{"token":"a\\r\\nX: y"}', b'{"token":"x y"}'):
        tokens.plan = lambda handler: handler.reply(200, body) or True
        home.fails("M1704", 1, "tags", remote)
    tokens.plan = lambda handler: handler.reply(200, {"token": "not.a.token"}) or True
    home.fails("M1706", 4, "tags", remote)
    tokens.plan = lambda handler: handler.reply(200, b"{" + b" " * 2_000_000) or True
    home.fails("M1704", 1, "tags", remote)
    tokens.plan = lambda handler: False


run(main)
