"""Goal: over TCP only who shows a good token, by the right name and not from another page, reaches what its scope allows."""

import os
import pathlib
import sqlite3
import subprocess
import time

from harness import MRUN, run, wait_for
from tcp_door import Door


def who_gets_in(door):
    ask, refused = door.ask, door.refused
    predict, read, admin = door.token("app"), door.token("looker", "--scope", "read"), door.token("boss", "--scope", "admin")
    body = {"version": "test/echo", "input": {"text": "over tcp"}}

    reply = ask("POST", "/v1/predictions", predict, body, {"Prefer": "wait"})
    assert reply.status == 201 and reply.json()["output"] is not None, reply
    prediction = reply.json()
    assert prediction["urls"]["get"].startswith(door.url), prediction
    assert not [name for name in reply.headers if name.startswith("access-control-")], reply
    assert ask("POST", "/v1/predictions", headers={"Authorization": f"Token {predict}"}, body=body).status == 201

    # No token, a wrong one, one that is not there: 401, the same for each route, known or not.
    for path in ("/v1/predictions", "/v1/account", "/healthz", "/mrun/v1/status", "/mrun/v1/tokens", "/", "/no/such/route"):
        reply = refused(401, "M1531", "GET", path)
        assert reply.headers["www-authenticate"].startswith("Bearer"), reply
    refused(401, "M1531", "POST", "/v1/predictions", body=body)
    refused(401, "M1531", "GET", "/v1/predictions", "mrun_" + "0" * 64)
    refused(401, "M1531", "GET", "/v1/predictions", headers={"Authorization": f"Basic {predict}"})
    refused(401, "M1531", "GET", "/v1/predictions", headers={"Authorization": predict})
    refused(401, "M1531", "GET", "/v1/predictions", headers={"Connection": "Upgrade", "Upgrade": "websocket"})
    # Official clients follow urls.stream without a token: who knows the id may.
    assert ask("GET", f"/v1/predictions/{prediction['id']}/stream").status == 200
    refused(401, "M1531", "GET", f"/v1/predictions/{prediction['id']}")
    refused(401, "M1531", "GET", "/v1/predictions/guess/stream")
    refused(401, "M1531", "GET", f"/v1/predictions/{prediction['id']}/stream", "mrun_wrong")

    # Scopes.
    assert ask("GET", f"/v1/predictions/{prediction['id']}", read).status == 200
    assert ask("GET", "/mrun/v1/ps", read).status == 200
    reply = refused(403, "M1532", "POST", "/v1/predictions", read, body)
    assert "--scope predict" in reply.json()["hint"], reply
    refused(403, "M1532", "POST", "/mrun/v1/models/stop", predict, {"reference": "test/echo"})
    refused(403, "M1532", "POST", "/mrun/v1/shutdown", predict)
    assert ask("POST", "/mrun/v1/models/stop", admin, {"reference": "test/echo"}).status == 200
    for method, path in (("GET", "/mrun/v1/tokens"), ("POST", "/mrun/v1/tokens"), ("DELETE", "/mrun/v1/tokens/app")):
        reply = refused(403, "M1532", method, path, admin)
        assert "Unix socket" in reply.json()["detail"], reply
    assert ask("GET", "/no/such/route", read).status == 404 and ask("PUT", "/v1/account", read).status == 405

    # The name that the caller uses (DNS rebinding), and the page that it comes from (CSRF).
    for host in ("evil.example", f"evil.example:{door.port}", "127.0.0.1", f"localhost.:{door.port}", f"0.0.0.0:{door.port}",
                 f"[::1]:{door.port}", f"[::ffff:127.0.0.1]:{door.port}", f"127.0.0.1:{door.port + 1}"):
        refused(421, "M1530", "GET", "/v1/account", read, headers={"Host": host})
        refused(421, "M1530", "GET", "/v1/account", headers={"Host": host})
    assert ask("GET", "/v1/account", read, headers={"Host": f"localhost:{door.port}"}).status == 200
    for headers in ({"Origin": "null"}, {"Origin": "http://evil.example"}, {"Origin": f"http://localhost:{door.port}"},
                    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
        refused(403, "M1519", "GET", "/v1/account", read, headers=headers)
        refused(403, "M1519", "POST", "/v1/predictions", predict, body, headers)
    refused(403, "M1519", "OPTIONS", "/v1/predictions", headers={
        "Origin": "http://evil.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"})
    assert ask("GET", "/v1/account", read, headers={"Origin": door.url, "Sec-Fetch-Site": "same-origin"}).status == 200
    # What a form of any page can send.
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        refused(415, "M1512", "POST", "/v1/predictions", predict, '{"version": "test/echo"}', {"Content-Type": kind})
    return predict


def lives_of_tokens(home, door):
    short, gone = door.token("short", "--expires", "1s"), door.token("gone")
    assert door.ask("GET", "/v1/account", gone).status == 200
    home.mrun("token", "revoke", "gone")
    reply = door.refused(401, "M1531", "GET", "/v1/account", gone)
    assert "revoked" in reply.json()["detail"], reply
    expired = lambda: next(t for t in home.mrun("token", "ls", "--json").json()["tokens"] if t["name"] == "short")["expired"]
    wait_for(expired, 20, "the token to expire")
    reply = door.refused(401, "M1531", "GET", "/v1/account", short)
    assert "'short' expired at" in reply.json()["detail"], reply
    assert "expired" in home.mrun("token", "ls").out

    listed = {token["name"]: token for token in home.mrun("token", "ls", "--json").json()["tokens"]}
    assert set(listed) == {"app", "looker", "boss", "short"} and listed["boss"]["scope"] == "admin", listed
    assert listed["app"]["last_used_at"] and listed["app"]["expires_at"] > time.strftime("%Y"), listed
    outcome = home.mrun("token", "create", "forever", "--expires", "never", "--json").json()
    assert outcome["schema"] == "mrun.token/v1" and outcome["expires_at"] is None and outcome["token"].startswith("mrun_"), outcome
    outcome = home.mrun("token", "create", "said")
    assert outcome.out.startswith("mrun_") and len(outcome.out) == 70 and "can't be shown again" in outcome.err, outcome
    assert outcome.out.strip() not in home.mrun("token", "ls").out

    home.fails("M1534", 2, "token", "create", "app")
    assert "`forever`" in home.fails("M1533", 5, "token", "revoke", "foreve").err
    home.fails("M1513", 2, "token", "create", "a b")
    for words in (("create",), ("revoke",), ("ls", "x"), ("ls", "--scope", "read"), ("create", "x", "y")):
        home.fails("M1001", 2, "token", *words)
    for expires in ("0d", "-1d", "1", "x", "1y", "999999w", "99999999999999999999d"):
        home.fails("M1004", 2, "token", "create", "x", f"--expires={expires}")
    home.fails("M1004", 2, "token", "create", "x", "--scope", "root")
    post = lambda body: home.api("POST", "/mrun/v1/tokens", body)
    for body in ({}, {"name": "x"}, {"name": "x", "scope": "predict"}, {"name": "x", "scope": "x", "lifetime_s": None},
                 {"name": "x", "scope": "read", "lifetime_s": "1"}, {"name": "x", "scope": "read", "lifetime_s": 0},
                 {"name": "x", "scope": "read", "lifetime_s": None, "sha256": "0"}, {"name": 1, "scope": "read", "lifetime_s": 1}):
        assert post(body).status == 422, body


def where_it_listens(home, door):
    outcome = home.mrun("daemon", "start")
    assert door.url in outcome.out and "running already" in outcome.out, outcome
    assert door.url in home.mrun("daemon", "start", "--listen", door.address).out
    home.mrun("daemon", "start", "--listen", "tcp://127.0.0.1:0")
    assert "mrun daemon stop" in home.fails("M1503", 1, "daemon", "start", "--listen", "tcp://127.0.0.1:1").err
    assert "gpu.lan" in home.fails("M1503", 1, "daemon", "start", "--allow-host", "gpu.lan").err
    assert home.mrun("daemon", "status", "--json").json()["idle"] is False  # another build's command must not end it
    home.mrun("daemon", "stop")

    # What was made stays, by its hash alone; nothing of it is in the log or on a command line.
    rows = sqlite3.connect(home.home / "state/mrun.db").execute("SELECT name, sha256 FROM tokens").fetchall()
    assert {"app", "boss"} <= {name for name, _ in rows} and all(len(digest) == 64 for _, digest in rows), rows

    taken = Door(home)
    home.mrun("daemon", "stop")
    with taken_port() as port:
        outcome = home.fails("M1502", 6, "daemon", "start", "--listen", f"tcp://127.0.0.1:{port}")
        assert "another port" in outcome.err, outcome
    for address in ("127.0.0.1:8000", "tcp://", "tcp://example.com:80", "tcp://127.0.0.1:99999", "tcp://[::ffff:127.0.0.1]:0", "\x01"):
        home.fails("M1004", 2, "daemon", "start", "--listen", address)
    home.fails("M1004", 2, "daemon", "start", "--listen", taken.address, "--allow-host", "*")
    home.fails("M1001", 2, "daemon", "status", "--listen", taken.address)
    for address in ("tcp://0.0.0.0:0", "tcp://[::]:0", "tcp://192.0.2.1:0"):
        assert "--insecure-plaintext" in home.fails("M1603", 2, "daemon", "start", "--listen", address).err

    # Said explicitly, and in the configuration; by names too.
    (home.home / "config.yaml").write_text("listen: tcp://0.0.0.0:0\nallow_hosts: [gpu.lan]\ninsecure_plaintext: true\n")
    home.mrun("predict", "test/echo")
    status = home.mrun("daemon", "status", "--json").json()
    open_door = Door(home, address="tcp://0.0.0.0:0")
    assert status["listen"] == [open_door.address], status
    home.mrun("daemon", "start", "--allow-host", "GPU.lan")
    token = open_door.token("late")
    for host in (f"127.0.0.1:{open_door.port}", f"localhost:{open_door.port}", f"gpu.lan:{open_door.port}"):
        assert open_door.ask("GET", "/v1/account", token, headers={"Host": host}).status == 200, host
    assert open_door.ask("GET", "/v1/account", token, headers={"Host": f"127.0.0.2:{open_door.port}"}, connect_to="127.0.0.2").status == 200
    for host in (f"0.0.0.0:{open_door.port}", f"127.0.0.2:{open_door.port}", "gpu.lan", f"evil.example:{open_door.port}"):
        open_door.refused(421, "M1530", "GET", "/v1/account", token, headers={"Host": host})


def taken_port():
    import contextlib
    import socket

    @contextlib.contextmanager
    def listening():
        with socket.create_server(("127.0.0.1", 0)) as server:
            yield server.getsockname()[1]
    return listening()


def foreground(home):
    """`mrun daemon run` takes the same words, and the daemon's own command line has no secret to show."""
    process = subprocess.Popen([str(MRUN), "daemon", "run", "--listen", "tcp://127.0.0.1:0"], env=home.env, cwd=home.path,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    listen = wait_for(lambda: home.try_mrun("daemon", "status", "--json").code == 0 and
                      home.mrun("daemon", "status", "--json").json()["listen"], 20, "the daemon to listen")
    assert listen[0].startswith("tcp://127.0.0.1:"), listen
    home.mrun("daemon", "stop")
    _, words = process.communicate(timeout=60)
    assert process.returncode == 0 and f"listening at {listen[0]}" in words, words


def no_leaks(home, tokens):
    for path in home.home.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            for token in tokens:
                assert token.encode() not in data and token.removeprefix("mrun_").encode() not in data, f"a token is in {path}"


def main(home):
    home.model("test/echo")
    door = Door(home)
    assert "nobody has a token yet: mrun token create NAME" in home.mrun("daemon", "start").err
    token = who_gets_in(door)
    lives_of_tokens(home, door)
    for pid in home.processes():
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        assert token.encode() not in words, words
    where_it_listens(home, door)
    home.mrun("daemon", "stop")
    (home.home / "config.yaml").unlink()
    foreground(home)
    no_leaks(home, [token])
    assert os.stat(home.home / "state/mrun.db").st_mode & 0o077 == 0


run(main)
