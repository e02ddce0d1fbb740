"""Goal: a registry that misbehaves costs time or an error that says so, never a wrong byte, a leaked secret or a lost piece.

Each row of PULLS, TAGS and LOGINS is a fault and how it ends: "ok", or the error's code. Pushes:
registry_push_faults_test.py; passwords: registry_credentials_test.py.
"""

import concurrent.futures
import email.utils
import hashlib
import http.server
import json
import os
import signal
import ssl
import subprocess
import threading
import time

from fault_rows import SIZE, Row, Rows, bearer, token_says
from faulty_registry import BASIC, Faulty, always, says, times
from harness import Home, run, wait_for


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


def for_a_second(**headers):
    since = []
    return lambda handler, n: (since or since.append(time.monotonic()) or True) and time.monotonic() < since[0] + 1 and says(503, **headers)(handler)


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


OTHER = b"x" * SIZE
SOON = email.utils.formatdate(time.time() + 2, usegmt=True)
PAST = email.utils.formatdate(time.time() - 3600, usegmt=True)
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
    Row("503 that asks for no wait at all, for a second", "big", for_a_second(Retry_After="0")),
    Row("503 that asks to wait until a time that is past, for a second", "big", for_a_second(Retry_After=PAST)),
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


def pull(rows, row):
    faulty, other = rows.serve(row), Home()
    try:
        outcome = rows.check(row, ("pull", f"{faulty.host}/demo/big", "-v"), other, faulty, rows.config(row, other, faulty.host))
        # MRUN_LOG=debug: each request is told, without what is secret in it.
        assert f"debug GET http://{faulty.host}/v2/demo/big/manifests/latest: " in outcome.err, outcome
        assert "Bearer" not in outcome.err and "uthorization" not in outcome.err, outcome
        for blob in (other.home / "data/blobs/sha256").glob("*"):
            assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name, blob
        if row.ends == "ok":
            assert outcome.out.strip() == rows.digest, outcome
        else:
            assert other.mrun("ls").out == "", outcome
        if not row.login:
            assert {seen[3] for seen in faulty.seen} == {None}, faulty.seen
    finally:
        faulty.close()
        other.close()


def tags(rows, row, wanted):
    faulty, other = rows.serve(row), Home()
    try:
        outcome = rows.check(row, ("tags", f"{faulty.host}/demo/big"), other, faulty, {})
        assert outcome.out == wanted, outcome
    finally:
        faulty.close()
        other.close()


def main(home):
    rows = Rows(home)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:  # they wait more than they work
        under_way = [(row.name, pool.submit(pull, rows, row)) for row in PULLS]
        under_way += [(row.name, pool.submit(tags, rows, row, wanted)) for row, wanted in TAGS]
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
