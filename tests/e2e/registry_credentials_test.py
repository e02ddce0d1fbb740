"""Goal: a password goes to nobody whom the user did not name, stands in no argument and no log, and is kept where it is said.

Tokens of a real registry: registry_token_test.py.
"""

import json
import os
import pathlib
import signal
import subprocess
import termios

from fault_rows import SECRETS, Row, Rows, bearer, token_says
from faulty_registry import BASIC, Faulty, always, says
from harness import MRUN, TRACED, Home, run
from screen import Screen


def main(home):
    rows = Rows(home)
    kept_secret(home, rows)
    strangers_get_nothing(rows)
    without_a_helper(rows)
    asks_nobody(rows)
    reads_are_free()


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
            done = subprocess.run(["strace", "-f", "-qq", "-s", "9999", "-e", "trace=execve", "-o", trace, MRUN, *command], input=input,
                                  capture_output=True, text=True, env=home.env | env | TRACED, timeout=100)
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
            screen = Screen(other, "login", faulty.host, "-u", "me", env=env).until("password or token: ").type("s3cret-word\n")
            shown = screen.until("[y/N] ").type(f"{answer}\n").end(ends).shown
            assert server in shown and "s3cret" not in shown, (answer, shown)
            assert bool(elsewhere.seen) == (answer == "yes"), elsewhere.seen
        # Ctrl-C at the password leaves a terminal that shows what is typed.
        for number in (signal.SIGINT, signal.SIGTERM):
            screen = Screen(other, "login", faulty.host, "-u", "me", env=env).until("password or token: ")
            terminal = screen.open()
            assert not termios.tcgetattr(terminal)[3] & termios.ECHO
            screen.process.send_signal(number)
            assert screen.process.wait(timeout=30) == -number
            assert termios.tcgetattr(terminal)[3] & termios.ECHO
            os.close(terminal)
            screen.end(-number)
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


def key_file(folder):
    for words in (["genpkey", "-algorithm", "ed25519", "-out", folder / "key.pem"], ["pkey", "-in", folder / "key.pem", "-pubout", "-out", folder / "key.pub"]):
        subprocess.run(["openssl", *words], check=True, capture_output=True)
    return folder / "key.pub"


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
        for command in (["inspect"], ["lock"], ["pull", "-f"]):
            other.mrun(*command, remote, "-u", "me", "--token-stdin", input="s3cret-word\r\n", env=env)
        once = "-u", "me", "--token-stdin"
        other.fails("M1708", 5, "tags", remote, *once, input="s3cret-word", env=env)  # it let us in, and lists none
        other.fails("M1803", 4, "verify", remote, "--key", key_file(other.path), *once, input="s3cret-word", env=env)  # not signed
        for command in (["lock", "demo/words"], ["lock", remote, "other.example/a/b"], ["verify", "demo/words"], ["inspect", "./mrun.yaml"]):
            other.fails("M1001", 2, *command, *once, input="s3cret-word", env=env)
        other.fails("M1706", 4, "tags", remote, *once, input=" s3cret-word", env=env)  # blanks are of the password
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


run(main)
