"""Goal: a registry that misbehaves costs time or an error that says so, never a wrong byte, a leaked secret or a lost piece.

Each row of PULLS, TAGS and LOGINS is a fault and how it ends: "ok", or the error's code. Pushes: registry_push_faults_test.py.
"""

import concurrent.futures
import email.utils
import hashlib
import http.server
import json
import os
import pathlib
import pty
import signal
import ssl
import subprocess
import threading
import time

from faulty_registry import BASIC, Faulty, always, says, times
from harness import Home, run, wait_for

SECRETS = ("s3cret-word", BASIC.split()[1], "SIGNATURE")
EXIT = {"M1701": 75, "M1702": 1, "M1703": 1, "M1704": 1, "M1705": 75, "M1706": 4, "M1707": 4, "M1708": 5, "M1709": 10, "M1112": 10}
PARTS = {"manifest": "/manifests/", "any": ""}


class Row:
    """One server, one plan. `fault(handler, n)`: the n-th request of the row's part (1, 2, …); true when it answered."""

    def __init__(self, name, part, fault, ends="ok", after=None, login=False):
        self.name, self.part, self.fault, self.ends, self.after, self.login = name, part, fault, ends, after, login


def cuts(*lengths):
    """The first answers break off after so many bytes."""
    return lambda handler, n: n <= len(lengths) and (handler.serve(lengths[n - 1]) or True)


def first_cut_then(answer):
    return lambda handler, n: handler.serve(1_000_000) or True if n == 1 else n == 2 and (answer(handler) or True)


def redirects(location):
    return lambda handler: handler.reply(307, b"", [("Location", location.replace("HERE", handler.path))])


def without_ranges(handler, n):
    del handler.headers["Range"]
    handler.serve(1_000_000 if n == 1 else None)
    return True


def whole_breaking_later(handler, n):
    del handler.headers["Range"]
    handler.serve(200_000 * n)
    return True


def bearer(realm):
    """A challenge; the token itself is asked for at the row's own server when the realm says HOST."""
    def answer(handler):
        host = handler.headers["Host"]
        return handler.reply(401, b"", [("WWW-Authenticate", f'Bearer realm="{realm.replace("HOST", host)}",service="s"')])
    return answer


def token_says(body):
    def fault(handler, _):
        if "/token" in handler.path:
            return handler.reply(200, body)
        return bearer("http://HOST/token")(handler)
    return fault


def resumed_once(faulty, big):
    ranges = [seen[2] for seen in faulty.seen if big in seen[1]]
    assert ranges == [None, "bytes=1000000-", None], ranges


def went_on(faulty, big):
    starts = [int(seen[2].removeprefix("bytes=").split("-")[0]) for seen in faulty.seen if big in seen[1] and seen[2]]
    assert len(starts) == 8 and starts == sorted(starts) and starts[-1] > 1_900_000, starts


def asked_so_often(count):
    def check(faulty, big):
        assert len(faulty.methods(big)) == count, faulty.methods(big)
    return check


SIZE = 4_000_000
OTHER = b"x" * SIZE
SOON = email.utils.formatdate(time.time() + 2, usegmt=True)
LATER = email.utils.formatdate(time.time() + 7200, usegmt=True)
FORBIDDEN = "https://169.254.169.254/latest", "https://0.0.0.0/x", "https://[::]/x", "https://[fe80::1]/x", "https://224.0.0.1/x"

PULLS = [
    Row("nothing", "any", lambda handler, n: False),
    # transport
    Row("breaks off at byte k, eight times", "big", cuts(1, 100_000, 700_000, 1, 900_000, 5, 300_000, 2), after=went_on),
    Row("TCP reset before a byte", "big", times(2, lambda handler: handler.reset())),
    Row("TCP reset always", "big", always(lambda handler: handler.reset()), "M1701", asked_so_often(11)),
    Row("drips: a byte, then the end", "big", always(lambda handler: handler.serve(1)), "M1701", asked_so_often(11)),
    # server state
    Row("429 with Retry-After in seconds", "big", times(1, says(429, b"slow down", Retry_After="1"))),
    Row("429 with Retry-After as a date", "big", times(1, says(429, b"slow down", Retry_After=SOON))),
    Row("429 with Retry-After of an hour", "big", always(says(429, Retry_After="3600")), "M1705", asked_so_often(1)),
    Row("429 with Retry-After of a far date", "big", always(says(429, Retry_After=LATER)), "M1705", asked_so_often(1)),
    Row("503 in HTML, once", "big", times(1, says(503, b"<html>busy</html>"))),
    Row("a storm of 500, 502, 503, 504", "big",
        lambda handler, n: n <= 4 and handler.reply((500, 502, 503, 504)[n - 1], b"<html>")),
    Row("503 always", "big", always(says(503)), "M1705", asked_so_often(6)),
    Row("500 for the manifest always", "manifest", always(says(500)), "M1705"),
    Row("501 is final", "big", always(says(501)), "M1704", asked_so_often(1)),
    # content
    Row("a body that ends early, properly", "big", times(1, says(200, b"short"))),
    Row("another content", "big", always(says(200, OTHER)), "M1709"),
    Row("one byte more", "big", always(says(200, OTHER + b"x")), "M1709"),
    Row("a gzip encoding", "big", always(says(200, b"x", Content_Encoding="gzip")), "M1704"),
    Row("an HTML page for the manifest", "manifest", always(says(200, b"<html>proxy</html>", Content_Type="text/html")), "M1112"),
    Row("an image index", "manifest", always(says(200, b"{}", Content_Type="application/vnd.oci.image.index.v1+json")), "M1112"),
    Row("a manifest of over 4 MiB", "manifest", always(says(200, b"{" + b" " * (4 << 20))), "M1704"),
    Row("a manifest without Docker-Content-Digest", "manifest",
        lambda handler, n: handler.reply(200, handler.content(), [("Content-Type", "application/vnd.oci.image.manifest.v1+json")])),
    Row("a manifest of another Docker-Content-Digest", "manifest",
        lambda handler, n: handler.reply(200, handler.content(), [("Docker-Content-Digest", "sha256:" + "0" * 64)]), "M1709"),
    Row("a head of 100 KB", "big", always(says(200, b"x", X_Large="y" * 100_000)), "M1704"),
    Row("a head of 500 lines", "big", lambda handler, n: handler.reply(200, b"x", [("X", "y")] * 500), "M1704"),
    Row("a teapot", "manifest", always(says(418, b"teapot")), "M1704"),
    Row("403", "manifest", always(says(403, b'{"errors":[{"code":"DENIED","message":"not yours"}]}')), "M1707"),
    Row("404", "manifest", always(says(404, b"<html>")), "M1708"),
    Row("a blob that is gone", "big", always(says(404)), "M1708"),
    # ranges
    Row("200 to a range: the whole again", "big", without_ranges),
    Row("416 to a range: from the start", "big", first_cut_then(says(416)), after=resumed_once),
    Row("416 to every range, and it always breaks", "big", lambda handler, n: handler.reply(416) if handler.headers.get("Range") else (
        handler.serve(1_000_000) or True), "M1704", asked_so_often(6)),
    Row("the whole to every range, a little more each time", "big", whole_breaking_later, "M1704", asked_so_often(7)),
    Row("another range than was asked for", "big", first_cut_then(says(206, b"x", Content_Range=f"bytes 5-5/{SIZE}")), "M1704"),
    Row("a range that is none", "big", first_cut_then(says(206, b"x", Content_Range="lines 1-2")), "M1704"),
    Row("a range that is not said", "big", first_cut_then(says(206, b"x")), "M1704"),
    # URLs
    Row("a relative redirect", "big", lambda handler, n: "?" not in handler.path and redirects("?there=1")(handler)),
    Row("a redirect to itself", "big", always(redirects("HERE")), "M1703", asked_so_often(6)),
    Row("a redirect to plain HTTP elsewhere", "big", always(redirects("http://registry.example/x?SIGNATURE")), "M1703"),
    Row("a redirect to a file", "big", always(redirects("file:///etc/passwd")), "M1703"),
    Row("a redirect with a password", "big", always(redirects("https://a:b@registry.example/x?SIGNATURE")), "M1703"),
    Row("a redirect without a place", "big", always(says(307)), "M1703"),
    Row("a redirect of 100 KB", "big", always(redirects("/" + "a" * 20_000)), "M1703"),
    *[Row(f"a redirect to {link}", "big", always(redirects(link)), "M1703") for link in FORBIDDEN],
    Row("a redirect to a name that nobody knows", "big", always(redirects("https://elsewhere.invalid/x?SIGNATURE")), "M1701"),
    Row("a token server that nobody knows", "any", always(bearer("https://auth.invalid/token")), "M1701"),
    Row("a token server elsewhere gets no password", "any", always(bearer("https://auth.invalid/token")), "M1703", login=True),
    # credentials
    Row("a password is wanted, and there is none", "any", always(says(401, b"", WWW_Authenticate='Basic realm="x"')), "M1706"),
    Row("a password is not taken", "any", always(says(401, b"", WWW_Authenticate='Basic realm="x"')), "M1706", login=True),
    Row("a way that nobody knows", "any", always(says(401, b"", WWW_Authenticate='Negotiate abc')), "M1706", login=True),
    Row("a token server over plain HTTP", "any", always(bearer("http://auth.example/token")), "M1703", login=True),
    Row("a token server that is a file", "any", always(bearer("file:///etc/passwd")), "M1703", login=True),
    Row("a token server with a password", "any", always(bearer("https://a:b@auth.example/t")), "M1703", login=True),
    *[Row(f"a token server at {link}", "any", always(bearer(link)), "M1703", login=True) for link in FORBIDDEN],
    Row("a token that is HTML", "any", token_says(b"<html>"), "M1704", login=True),
    Row("a token with a line end", "any", token_says(b'{"token":"a\\r\\nb"}'), "M1704", login=True),
    Row("a token of 2 MB", "any", token_says(b'{"token":"' + b"a" * 2_000_000 + b'"}'), "M1704", login=True),
    Row("a token that is never good enough", "any", token_says(b'{"token":"abc"}'), "M1706", login=True),
]


def endless_pages(handler, n):
    return handler.reply(200, json.dumps({"tags": [f"t{n}"]}).encode(), [("Link", f'</v2/demo/big/tags/list?page={n}>; rel="next"')])


def pages(*answers):
    """Pages of tags: (tags, Link) by the query's `page`."""
    def fault(handler, _):
        page = int(handler.path.partition("page=")[2] or 0)
        tags, link = answers[page]
        headers = [("Link", link.replace("HOST", handler.headers["Host"]))] if link else []
        return handler.reply(200, json.dumps({"tags": tags}).encode(), headers)
    return fault


TAGS = [
    (Row("unsorted and twice", "any", pages((["b", "a", "c", "a"], ""))), "a\nb\nc\n"),
    (Row("no list", "any", pages((None, ""))), ""),
    (Row("a relative Link", "any", pages((["b"], '</v2/demo/big/tags/list?page=1>; rel="next"'), (["a"], ""))), "a\nb\n"),
    (Row("an absolute Link", "any", pages((["b"], '<http://HOST/v2/demo/big/tags/list?page=1>; rel=next'), (["a"], ""))), "a\nb\n"),
    (Row("Links in a circle", "any", pages((["b"], '<?page=1>; rel="next"'), (["a"], '<?page=0>; rel="next"'))), "a\nb\n"),
    (Row("a Link to another host", "any", pages((["b"], '<http://127.0.0.1:1/x>; rel="next"')), "M1703"), ""),
    (Row("a Link to a file", "any", pages((["b"], '<file:///etc/passwd>; rel="next"')), "M1703"), ""),
    (Row("no JSON", "any", always(says(200, b"<html>")), "M1704"), ""),
    (Row("pages without an end", "any", endless_pages, "M1704"), ""),
    (Row("escape sequences in a tag", "any", pages((["\x1b[31mred"], ""))), "\\x1b[31mred\n"),
]


class Rows:
    def __init__(self, home):
        folder = home.model("demo/big", pack=False, files={"weights.bin": os.urandom(SIZE)})
        self.store = home.home / "data"
        self.digest = home.mrun("pack", folder).out.strip()
        layers = json.loads((self.store / "blobs/sha256" / self.digest.removeprefix("sha256:")).read_text())["layers"]
        self.big = max(layers, key=lambda layer: layer["size"])["digest"]
        assert max(layer["size"] for layer in layers) == SIZE, layers  # one piece

    def serve(self, row):
        faulty, count = Faulty(self.store), iter(range(1, 1_000_000))
        part = PARTS.get(row.part, self.big)
        faulty.plan = lambda handler: part in handler.path and row.fault(handler, next(count))
        return faulty

    def check(self, row, command, other, faulty, env):
        if row.ends == "ok":
            outcome = other.try_mrun(*command, env=env, timeout=100)
            assert outcome.code == 0, outcome
        else:
            outcome = other.fails(row.ends, EXIT[row.ends], *command, env=env, timeout=100)
        assert not any(secret in outcome.out + outcome.err for secret in SECRETS), outcome
        if row.after:
            row.after(faulty, self.big)
        return outcome

    def config(self, row, other, host):
        folder = other.path / "docker"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": BASIC.split()[1]}}} if row.login else {}))
        return {"DOCKER_CONFIG": str(folder), "MRUN_LOG": "debug"}

    def pull(self, row):
        faulty, other = self.serve(row), Home()
        try:
            outcome = self.check(row, ("pull", f"{faulty.host}/demo/big", "-v"), other, faulty, self.config(row, other, faulty.host))
            # MRUN_LOG=debug: each request is told, without what is secret in it.
            assert f"debug GET http://{faulty.host}/v2/demo/big/manifests/latest: " in outcome.err, outcome
            assert "Bearer" not in outcome.err and "uthorization" not in outcome.err, outcome
            for blob in (other.home / "data/blobs/sha256").glob("*"):
                assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name, blob
            if row.ends == "ok":
                assert outcome.out.strip() == self.digest, outcome
            else:
                assert other.mrun("ls").out == "", outcome
            if not row.login:
                assert {seen[3] for seen in faulty.seen} == {None}, faulty.seen
        finally:
            faulty.close()
            other.close()

    def tags(self, row, wanted):
        faulty, other = self.serve(row), Home()
        try:
            outcome = self.check(row, ("tags", f"{faulty.host}/demo/big"), other, faulty, {})
            assert outcome.out == wanted, outcome
        finally:
            faulty.close()
            other.close()


def main(home):
    rows = Rows(home)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:  # they wait more than they work
        under_way = [(row.name, pool.submit(rows.pull, row)) for row in PULLS]
        under_way += [(row.name, pool.submit(rows.tags, row, wanted)) for row, wanted in TAGS]
        failed = [(name, one.exception()) for name, one in under_way if one.exception()]
    for name, error in failed:
        print(f"--- {name}\n{error}")
    assert not failed, [name for name, _ in failed]
    home.fails("M1701", 75, "tags", "localhost:1/demo/big")
    home.fails("M1701", 75, "tags", "registry.invalid/demo/big", timeout=100)
    redirected(rows)
    elsewhere_is_not_asked(rows)
    proxies(rows)
    one_at_a_time(rows)
    kept_secret(home, rows)
    strangers_get_nothing(rows)
    without_a_helper(rows)
    asks_nobody(rows)
    force_mends(rows)
    killed(home, rows.digest, rows.big.removeprefix("sha256:"))
    tls(home)


def redirected(rows):
    """A redirect within the machine is followed; the Authorization header stays at home."""
    elsewhere, other = Faulty(rows.store), Home()
    row = Row("to another port", "big", lambda handler, n: False, login=True)
    faulty = rows.serve(row)
    try:
        def plan(handler):
            if handler.headers.get("Authorization") != BASIC:
                return handler.reply(401, b"", [("WWW-Authenticate", 'Basic realm="x"')])
            return rows.big in handler.path and handler.reply(307, b"", [("Location", f"http://{elsewhere.host}/v2/x/blobs/{rows.big}?SIGNATURE")])
        faulty.plan = plan
        rows.check(row, ("pull", f"{faulty.host}/demo/big", "-v"), other, faulty, rows.config(row, other, faulty.host))
        assert elsewhere.seen == [("GET", f"/v2/x/blobs/{rows.big}?SIGNATURE", None, None)], elsewhere.seen
    finally:
        faulty.close()
        elsewhere.close()
        other.close()


def elsewhere_is_not_asked(rows):
    """A descriptor's `urls` are a stranger's wish: what they name is never asked."""
    elsewhere, other = Faulty(rows.store), Home()
    row = Row("urls in descriptors", "big", lambda handler, n: False)
    faulty = rows.serve(row)
    try:
        manifest = json.loads((rows.store / "blobs/sha256" / rows.digest.removeprefix("sha256:")).read_text())
        for part in (manifest["config"], *manifest["layers"]):
            part["urls"] = [f"http://{elsewhere.host}/{part['digest']}", "http://169.254.169.254/latest"]
        faulty.plan = lambda handler: "/manifests/" in handler.path and handler.reply(
            200, json.dumps(manifest).encode(), [("Content-Type", manifest["mediaType"])])
        other.mrun("pull", f"{faulty.host}/demo/big")
        assert rows.big in str(faulty.seen) and elsewhere.seen == [], (faulty.seen, elsewhere.seen)
    finally:
        faulty.close()
        elsewhere.close()
        other.close()


def proxies(rows):
    """What is on this machine is never asked through a proxy, and a proxy for others opens no door within."""
    other, proxy = Home(), Faulty(rows.store)
    row = Row("behind a proxy", "any", lambda handler, n: False, login=True)
    faulty = rows.serve(row)
    link = f"http://{proxy.host}"
    env = rows.config(row, other, faulty.host) | {name: link for name in ("http_proxy", "https_proxy", "all_proxy")}
    try:
        faulty.plan = lambda handler: handler.headers.get("Authorization") != BASIC and handler.reply(
            401, b"", [("WWW-Authenticate", 'Basic realm="x"')])
        other.mrun("pull", f"{faulty.host}/demo/big", env=env)
        assert proxy.seen == [], proxy.seen
        faulty.plan = lambda handler: handler.reply(307, b"", [("Location", "https://0.0.0.0:1/x?SIGNATURE")])
        other.fails("M1703", 1, "pull", f"{faulty.host}/demo/big", "-f", env=env | {"no_proxy": "*"})
    finally:
        faulty.close()
        proxy.close()
        other.close()


def one_at_a_time(rows):
    """Two pulls of one model share what each brings: no blob comes twice."""
    other = Home()
    row = Row("slowly", "big", lambda handler, n: time.sleep(0.5))
    faulty = rows.serve(row)
    try:
        pulls = [other.start("pull", f"{faulty.host}/demo/big") for _ in range(2)]
        outcomes = [pull.communicate(timeout=100) for pull in pulls]
        assert [pull.returncode for pull in pulls] == [0, 0], outcomes
        assert faulty.methods(rows.big) == ["GET"], faulty.seen
        other.mrun("verify", "--all")
    finally:
        faulty.close()
        other.close()


def kept_secret(home, rows):
    """No process has a secret among its arguments, and a helper gets the host on its standard input."""
    faulty = Faulty(rows.store)
    faulty.plan = lambda handler: handler.headers.get("Authorization") != BASIC and handler.reply(
        401, b"", [("WWW-Authenticate", 'Basic realm="x"')])
    folder = home.path / "helper"
    folder.mkdir()
    helper = folder / "docker-credential-noting"
    helper.write_text(f"""#!/bin/sh
cat > {folder}/input; echo "$0 $@" >> {folder}/arguments
[ "$1" = get ] && echo '{{"ServerURL":"x","Username":"me","Secret":"s3cret-word"}}'
exit 0
""")
    helper.chmod(0o755)
    (folder / "config.json").write_text(json.dumps({"credsStore": "noting"}))
    env = {"PATH": f"{folder}:{os.environ['PATH']}", "DOCKER_CONFIG": str(folder)}
    try:
        trace = folder / "trace"
        for command, input in ((["login", faulty.host, "-u", "me", "--token-stdin"], "s3cret-word\n"), (["inspect", f"{faulty.host}/demo/big"], "")):
            done = subprocess.run(["strace", "-f", "-qq", "-s", "9999", "-e", "trace=execve", "-o", trace, home_program(), *command], input=input,
                                  capture_output=True, text=True, env=home.env | env, timeout=100)
            assert done.returncode == 0, done
            assert not any(secret in trace.read_text() + done.stdout + done.stderr for secret in SECRETS), trace.read_text()
        told = (folder / "arguments").read_text()
        assert "store" in told and "get" in told and "s3cret" not in told and faulty.host not in told, told
        assert (folder / "input").read_text().strip() == faulty.host
    finally:
        faulty.close()


def strangers_get_nothing(rows):
    """A registry that names a token server elsewhere: the password goes there only when the user named it, too."""
    elsewhere, other = Faulty(), Home()
    row = Row("a realm elsewhere", "any", lambda handler, n: False, login=True)
    faulty = rows.serve(row)
    server = elsewhere.host
    try:
        elsewhere.plan = lambda handler: handler.reply(200, b'{"token":"the-canary"}')
        faulty.plan = lambda handler: handler.headers.get("Authorization") != "Bearer the-canary" and bearer(f"http://{server}/token?x=SIGNATURE")(handler)
        env, remote = rows.config(row, other, faulty.host), f"{faulty.host}/demo/big"
        refused = other.fails("M1703", 1, "pull", remote, env=env)
        assert faulty.host in refused.err and server in refused.err and "--token-server" in refused.err, refused
        login = "login", faulty.host, "-u", "me", "--token-stdin"
        other.fails("M1703", 1, *login, input="s3cret-word", env=env)
        other.fails("M1703", 1, *login, "--token-server", "auth.example", input="s3cret-word", env=env)
        assert elsewhere.seen == [], elsewhere.seen
        # Named in config.yaml, or at login, until logout.
        other.home.mkdir(exist_ok=True)
        config = other.home / "config.yaml"
        config.write_text(f"token_servers: {{\"{faulty.host}\": \"{server}\"}}\n")
        outcome = other.mrun("pull", remote, env=env)
        assert elsewhere.seen[0][3] == BASIC and "canary" not in outcome.err and "SIGNATURE" not in outcome.err, outcome
        config.unlink()
        other.fails("M1703", 1, "pull", remote, "-f", env=env)
        other.mrun(*login, "--token-server", server, input="s3cret-word", env=env)
        other.mrun("pull", remote, "-f", env=env)
        other.mrun("logout", faulty.host, env=env)
        # On a terminal the user is asked; only a yes sends anything.
        for answer, ends in (("n", 1), ("yes", 0)):
            elsewhere.seen.clear()
            code, shown = on_a_terminal(other, env, ("login", faulty.host, "-u", "me"), "s3cret-word", answer)
            assert code == ends and server in shown and "s3cret" not in shown, (answer, code, shown)
            assert bool(elsewhere.seen) == (answer == "yes"), elsewhere.seen
        other.mrun("pull", remote, "-f", env=env)
        other.mrun("logout", faulty.host, env=env)
        (pathlib.Path(env["DOCKER_CONFIG"]) / "config.json").write_text(json.dumps({"auths": {faulty.host: {"auth": BASIC.split()[1]}}}))
        other.fails("M1703", 1, "pull", remote, "-f", env=env)
        # Nobody's password goes nowhere.
        elsewhere.seen.clear()
        other.mrun("pull", remote, "-f", env=env | {"DOCKER_CONFIG": str(other.path)})
        assert {seen[3] for seen in elsewhere.seen} == {None}, elsewhere.seen
    finally:
        faulty.close()
        elsewhere.close()
        other.close()


def on_a_terminal(home, env, command, *answers):
    """Runs it on a pseudo-terminal, an answer to each prompt; (exit code, what the terminal showed)."""
    near, far = pty.openpty()
    process = subprocess.Popen([home_program(), *command], stdin=far, stdout=far, stderr=far, env=home.env | env, start_new_session=True)
    os.close(far)
    shown = ""
    for answer, prompt in zip(answers, ("password or token: ", "[y/N] ")):
        while prompt not in shown:
            shown += os.read(near, 4096).decode()
        os.write(near, answer.encode() + b"\n")
    try:
        while data := os.read(near, 4096):
            shown += data.decode()
    except OSError:
        pass  # the process has ended
    os.close(near)
    return process.wait(60), shown


def without_a_helper(rows):
    """A Docker config of another machine names a helper that is not here: what is public is pulled all the same."""
    other = Home()
    row = Row("no helper", "any", token_says(b'{"token":"t"}'))
    faulty = rows.serve(row)
    try:
        faulty.plan = lambda handler: handler.headers.get("Authorization") != "Bearer t" and token_says(b'{"token":"t"}')(handler, 1)
        env = rows.config(row, other, faulty.host)
        (pathlib.Path(env["DOCKER_CONFIG"]) / "config.json").write_text(json.dumps({"credsStore": "not-here"}))
        outcome = other.mrun("pull", f"{faulty.host}/demo/big", env=env)
        assert outcome.out.strip() == rows.digest and "docker-credential-not-here" in outcome.err, outcome
        other.fails("M1710", 4, "login", faulty.host, "-u", "me", "--token-stdin", input="s3cret-word", env=env)  # it can't be kept
        other.mrun("logout", faulty.host, env=env)
    finally:
        faulty.close()
        other.close()


def asks_nobody(rows):
    """A registry that asks for no password can't say whether it is right: login says so, keeps it, and push has it."""
    for status, is_shown in ((200, BASIC), (404, None)):  # what may be no registry gets no password unasked
        other = Home()
        row = Row("open", "any", always(says(status)))
        faulty = rows.serve(row)
        try:
            env = rows.config(row, other, faulty.host)
            login = "login", faulty.host, "-u", "me", "--token-stdin"
            outcome = other.mrun(*login, input="s3cret-word", env=env)
            assert "asked for no password" in outcome.err and "lets me in" not in outcome.err, outcome
            assert faulty.seen[-1][3] == is_shown, faulty.seen
            answer = other.mrun(*login, "--json", input="s3cret-word", env=env).json()
            assert answer["kept_in"] == str(pathlib.Path(env["DOCKER_CONFIG"]) / "config.json") and not answer["verified"], answer
        finally:
            faulty.close()
            other.close()
    reads_are_free()


def reads_are_free():
    """Strangers may read, writing needs a password: login finds a wrong one where the registry looks at it, and push gets in."""
    other = Home()
    faulty = Faulty()
    asks = [("WWW-Authenticate", 'Basic realm="x"')]
    is_strict = True  # a wrong password is refused for reading, too

    def plan(handler):
        given = handler.headers.get("Authorization")
        needs = handler.command in ("POST", "PUT", "PATCH") or (is_strict and given)
        return needs and given != BASIC and handler.reply(401, b"", asks)

    faulty.plan = plan
    env = {"DOCKER_CONFIG": str(other.path / "docker")}
    login = "login", faulty.host, "-u", "me", "--token-stdin"
    remote = f"{faulty.host}/demo/words"
    try:
        folder = other.model("demo/words", files={"label.txt": "one"})
        refused = other.fails("M1706", 4, "push", "demo/words", remote, env=env)
        assert f"{faulty.host} wants" in refused.err and f"mrun login {faulty.host}" in refused.err, refused
        other.fails("M1706", 4, *login, input="wrong", env=env)
        assert not (other.path / "docker/config.json").exists()
        # For one command: nothing is kept.
        other.fails("M1001", 2, "push", "demo/words", remote, "--token-stdin", input="s3cret-word", env=env)
        other.fails("M1001", 2, "push", "demo/words", remote, "-u", "me", env=env)
        other.fails("M1706", 4, "push", "demo/words", remote, "-u", "me", "--token-stdin", input="wrong", env=env)
        done = other.mrun("push", "demo/words", remote, "-u", "me", "--token-stdin", "-v", input="s3cret-word\n", env=env | {"MRUN_LOG": "debug"})
        assert "s3cret" not in done.out + done.err and not (other.path / "docker/config.json").exists(), done
        faulty.plan = lambda handler: handler.headers.get("Authorization") != BASIC and handler.reply(401, b"", asks)
        other.fails("M1706", 4, "pull", remote, env=env)
        other.fails("M1001", 2, "pull", "--locked", "-u", "me", "--token-stdin", input="s3cret-word", env=env)
        other.mrun("pull", remote, "-f", "-u", "me", "--token-stdin", input="s3cret-word", env=env)
        # Kept.
        faulty.plan = plan
        is_strict = False
        assert "asked for no password" in other.mrun(*login, input="s3cret-word", env=env).err
        (folder / "label.txt").write_text("two")
        other.mrun("pack", folder)
        other.mrun("push", "demo/words", remote, env=env)
    finally:
        faulty.close()
        other.close()


def force_mends(rows):
    """`pull -f` hashes what is here, and fetches what is damaged, though its size is right."""
    other = Home()
    faulty = rows.serve(Row("nothing", "any", lambda handler, n: False))
    remote = f"{faulty.host}/demo/big"
    try:
        other.mrun("pull", remote)
        blob = other.home / "data/blobs/sha256" / rows.big.removeprefix("sha256:")
        blob.chmod(0o644)
        with open(blob, "r+b") as file:
            file.seek(3_000_000)
            file.write(b"damage")
        faulty.seen.clear()
        mended = other.mrun("pull", "-f", remote, "--json").json()
        assert mended["fetched_bytes"] == SIZE and faulty.methods(rows.big) == ["GET"], (mended, faulty.seen)
        other.mrun("verify", "--all")
        assert other.mrun("pull", "-f", remote, "--json").json()["fetched_bytes"] == 0
    finally:
        faulty.close()
        other.close()


def home_program():
    return str(pathlib.Path(os.environ["MRUN_BUILD"]) / "bin/mrun")


def killed(home, digest, big):
    """kill -9 in the middle of a pull: the next one fetches the rest only."""
    faulty, other = Faulty(home.home / "data"), Home()
    remote = f"{faulty.host}/demo/big"
    try:
        def slow(handler):
            if big not in handler.path:
                return False
            body = handler.content()
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            for at in range(0, len(body), 100_000):
                handler.wfile.write(body[at:at + 100_000])
                time.sleep(0.05)
            return True
        faulty.plan = slow
        command = other.start("pull", remote)
        partial = other.home / f"data/tmp/pull-{big}"
        wait_for(lambda: partial.exists() and partial.stat().st_size > 300_000, 20, "a part of the blob")
        os.kill(command.pid, signal.SIGKILL)
        command.communicate()
        have = partial.stat().st_size
        assert 0 < have < 4_000_000
        faulty.plan, faulty.seen = lambda handler: False, []
        assert other.mrun("pull", remote).out.strip() == digest
        ranges = [seen[2] for seen in faulty.seen if big in seen[1]]
        assert ranges == [f"bytes={have}-"], (ranges, have)
        assert not list((other.home / "data/tmp").iterdir())
        # Ctrl-C says how to go on.
        third = Home()
        faulty.plan = slow
        command = third.start("pull", remote)
        wait_for(lambda: (third.home / f"data/tmp/pull-{big}").exists(), 20, "a part of the blob")
        command.send_signal(signal.SIGINT)
        _, err = command.communicate(timeout=20)
        assert command.returncode == 130 and "M1011" in err, err
        third.close()
    finally:
        faulty.close()
        other.close()


def tls(home):
    """A certificate that nobody signed is not taken, nor a redirect from https to http."""
    key, certificate = home.path / "key.pem", home.path / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj",
                    "/CN=mrun-test.invalid", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)

    class Downgrading(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            self.send_response(307)
            self.send_header("Location", f"http://127.0.0.1:{server.server_port}/x?SIGNATURE")
            self.end_headers()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Downgrading)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host = f"127.0.0.1:{server.server_port}"
    (home.path / f".config/containers/certs.d/{host}").mkdir(parents=True)  # TLS, though it is this machine
    remote = f"{host}/demo/x"
    try:
        home.fails("M1702", 1, "tags", remote)
        outcome = home.fails("M1703", 1, "pull", remote, env={"SSL_CERT_FILE": str(certificate)})
        assert "plain http" in outcome.err and "SIGNATURE" not in outcome.err, outcome
    finally:
        server.shutdown()


run(main)
