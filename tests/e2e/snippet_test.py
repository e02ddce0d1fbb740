"""Goal: what `mrun snippet` prints runs as it stands: in sh, bash and zsh, Python and Node, with texts, files and secrets; and
it never holds a token."""

import ast
import http.server
import json
import os
import shutil
import subprocess
import threading

import tcp_door
from harness import run, wait_for

HOSTILE = "a'b\"c$(touch hacked)`touch hacked`\\n${HOME}\\\\ <<JSON\n✓ %s {} end"
SECRET = "hunter2canary"


class Programs:
    def __init__(self, home, env):
        self.home, self.env = home, {"PATH": os.environ["PATH"], "HOME": str(home.path)} | env

    def run(self, words, program, code=0):
        done = subprocess.run(words, input=program, cwd=self.home.path, env=self.env, capture_output=True, text=True, timeout=120)
        assert done.returncode == code, f"{words}: {done}\n{program}"
        return done

    def all(self, *snippet):
        """Runs the snippet in each language; what each says was the output."""
        outputs = {}
        text = lambda language: self.home.mrun("snippet", *snippet, "--lang", language).out
        for shell in ("sh", "bash", "zsh"):
            outputs[shell] = json.loads(self.run([shutil.which(shell)], text("curl")).stdout)["output"]
        outputs["python"] = self.run([os.environ["MRUN_DEV_PYTHON"], "-"], text("python")).stdout.removesuffix("\n")
        outputs["node"] = self.run([shutil.which("node"), "-"], text("node")).stdout.removesuffix("\n")
        return outputs

    def words(self, language):
        return {"curl": ["sh"], "python": [os.environ["MRUN_DEV_PYTHON"], "-"], "node": [shutil.which("node"), "-"]}[language]


def whole_values(home, programs):
    """What is long or deep is printed whole: JSON where it is no text."""
    numbers = list(range(300))
    deep = {"a": {"b": {"c": {"d": [1, {"e": None}]}}}}
    args = ("test/deep", "-i", f"list:={json.dumps(numbers)}", "-i", f"deep:={json.dumps(deep)}")
    outputs = programs.all(*args)
    wanted = {"list": numbers, "deep": deep}
    assert outputs["sh"] == outputs["bash"] == outputs["zsh"] == wanted, outputs
    assert json.loads(outputs["node"]) == wanted and ast.literal_eval(outputs["python"]) == wanted, outputs


def ends(home, programs):
    """A program ends as its prediction does: it waits on when the wait ran out, and says what went wrong."""
    for language in ("curl", "python", "node"):
        def snippet(*words):
            return home.mrun("snippet", *words, "--lang", language).out
        output = (lambda out: json.loads(out)["output"]) if language == "curl" else (lambda out: out.removesuffix("\n"))
        # 202: the wait is over before the prediction is; here after a second, in place of 60.
        slow = snippet("test/modes", "-i", "text=late", "-i", "mode=slow:3000")
        short = slow.replace("Prefer: wait", "Prefer: wait=1").replace('"Prefer": "wait"', '"Prefer": "wait=1"').replace("    input=", "    wait=1,\n    input=")
        assert short != slow
        assert output(programs.run(programs.words(language), short).stdout) == "late", language

        # It failed, or somebody canceled it.
        failing = snippet("test/modes", "-i", "mode=fail:on purpose")
        done = programs.run(programs.words(language), failing, code=0 if language == "curl" else 1)
        said = json.loads(done.stdout) if language == "curl" else None
        assert said["status"] == "failed" and "on purpose" in said["error"] if said else "on purpose" in done.stderr and not done.stdout, done
        process = subprocess.Popen(programs.words(language), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=programs.env,
                                   cwd=home.path)
        process.stdin.write(snippet("test/modes", "-i", "mode=slow:60000"))
        process.stdin.close()
        process.stdin = None

        def running():
            return [p["id"] for p in home.api("GET", "/v1/predictions").json()["results"] if p["status"] in ("starting", "processing")]
        home.mrun("cancel", wait_for(running, 60, "it to run")[0])
        out, err = process.communicate(timeout=60)
        assert process.returncode == (0 if language == "curl" else 1), (language, process.returncode, out, err)
        assert json.loads(out)["status"] == "canceled" if language == "curl" else "canceled" in err and not out, (language, out, err)

        # It was refused.
        refused = snippet("test/modes").replace("test/modes", "test/nothing")
        done = programs.run(programs.words(language), refused, code=22 if language == "curl" else 1)
        assert "M1202" in done.stdout if language == "curl" else "test/nothing" in done.stderr, done
    # What can't be reached: curl's own exit code and words.
    done = programs.run(["sh"], home.mrun("snippet", "test/modes").out.replace("127.0.0.1", "127.0.0.2"), code=7)
    assert done.stdout.strip() == "" and "127.0.0.2" in done.stderr, done


class Listener(http.server.BaseHTTPRequestHandler):
    """Keeps what it is sent, as bytes, and says that it has run."""
    bodies = []

    def do_POST(self):
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        reply = b'{"id":"x","output":"seen","status":"succeeded"}'
        self.send_response(201)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_):
        pass


def secrets(home, programs, url):
    """They arrive as they are, whatever is in them, and nothing in them is run."""
    server = http.server.HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for secret in ('say "hi"\\n', "$(touch hacked)`touch hacked`$HOME", "'; touch hacked; '", "line one\n\nline two\n", "ümlaut ✓ %s", " blanks ", "\\"):
            programs.env["API_KEY"] = secret
            for language, runs in (("curl", (["sh"], ["bash"], ["zsh"])), ("node", (programs.words("node"),))):
                text = home.mrun("snippet", "test/secret", "--lang", language).out.replace(url, f"http://127.0.0.1:{server.server_port}")
                for words in runs:
                    assert "seen" in programs.run(words, text).stdout
                    assert json.loads(Listener.bodies.pop())["input"] == {"api_key": secret}, (words, secret)
        assert not (home.path / "hacked").exists()
    finally:
        server.shutdown()
        programs.env["API_KEY"] = SECRET


def without_a_daemon(home):
    for language in ("curl", "python", "node", "openapi"):
        outcome = home.mrun("snippet", "test/text", "--lang", language)
        assert "http://127.0.0.1:8000" in outcome.out and "mrun daemon start --listen tcp://127.0.0.1:8000" in outcome.err, outcome
        assert "export MRUN_TOKEN=$(mrun token create NAME)" in outcome.err, outcome
    assert not home.processes(), "a snippet started a daemon"
    assert home.mrun("snippet", "test/text", "-q").err == ""
    home.fails("M1202", 5, "snippet", "no/such")
    home.fails("M1301", 2, "snippet", "test/text", "-i", "tetx=x")
    home.fails("M1303", 2, "snippet", "test/types", "-i", "count=x")
    home.fails("M1004", 2, "snippet", "test/text", "--lang", "cobol")


def openapi(home, door):
    document = json.loads(home.mrun("snippet", "test/types", "--lang", "openapi").out)
    assert document["openapi"] == "3.0.3" and document["servers"] == [{"url": door.url}], document
    assert document["components"]["securitySchemes"]["token"] == {"type": "http", "scheme": "bearer"}
    for reference in (line.split('"')[3] for line in json.dumps(document, indent=1).splitlines() if '"$ref"' in line):
        part = document
        for key in reference.removeprefix("#/").split("/"):
            part = part[key]
    operation = document["paths"]["/v1/predictions"]["post"]
    example = operation["requestBody"]["content"]["application/json"]["example"]
    assert set(document["components"]["schemas"]["Input"]["required"]) <= set(example["input"]), example
    # The document is true: a reply to its own example fits its own schemas.
    reply = door.ask("POST", "/v1/predictions", os.environ["MRUN_TOKEN"], example, {"Prefer": "wait"})
    assert reply.status == 201 and reply.json()["status"] == "succeeded", reply
    prediction = document["components"]["schemas"]["Prediction"]
    assert set(prediction["required"]) <= set(reply.json()) and reply.json()["status"] in document["components"]["schemas"]["Status"]["enum"]
    # `mrun schema` is the document that the API gives.
    version = door.ask("GET", "/v1/models/test/types", os.environ["MRUN_TOKEN"]).json()["latest_version"]
    assert json.loads(home.mrun("schema", "test/types").out) == version["openapi_schema"] == home.mrun("schema", "test/types", "--json").json()


def main(home):
    home.model("test/text", inputs="text: {type: string}", output="type: string")
    home.model("test/stream", inputs="text: {type: string, default: hello}", output="type: string\niterator: true\nconcatenate: true")
    home.model("test/file", inputs="file: {type: file, accept: [image/png]}\nmode: {type: string, default: echo}")
    home.model("test/secret", inputs="a_text: {type: string, default: seen}\napi_key: {type: secret}", output="type: string")
    home.model("test/types", inputs="""\
count: {type: integer, ge: 3, le: 9}
ratio: {type: number, le: 0.5}
flag: {type: boolean}
kind: {type: string, choices: [small, large]}
long: {type: string, min_length: 12}
list: {type: array, items: {type: integer, ge: 2}, min_length: 2}
""", output="type: any")
    home.model("test/deep", inputs="list: {type: array, items: {type: integer}}\ndeep: {type: object}")
    home.model("test/modes", inputs="text: {type: string, default: hello}\nmode: {type: string, default: echo}", output="type: string")
    without_a_daemon(home)
    door = tcp_door.Door(home)
    token = door.token("snippets")
    os.environ["MRUN_TOKEN"] = token
    programs = Programs(home, {"MRUN_TOKEN": token, "API_KEY": SECRET})

    for outputs in (programs.all("test/text"), programs.all("test/stream"), programs.all("test/text", "-i", "text=hello")):
        assert set(outputs.values()) == {"hello"}, outputs
    version = home.mrun("show", "test/text", "--json").json()["version"]
    assert set(programs.all(version[:12]).values()) == {"hello"} and set(programs.all("test/text:latest").values()) == {"hello"}
    assert f"test/text:{version}" in home.mrun("snippet", "test/text:latest", "--lang", "python").out
    assert set(programs.all(f"{home.path}/test-text").values()) == {"hello"}
    outputs = programs.all("test/text", "-i", f"text={HOSTILE}")
    assert set(outputs.values()) == {HOSTILE} and not (home.path / "hacked").exists(), outputs
    for model in ("test/types",):
        outputs = programs.all(model)
        assert outputs["sh"] == outputs["bash"] == outputs["zsh"] and outputs["sh"], outputs

    # Files are read when the program runs.
    (home.path / "my picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 100_000)
    outputs = programs.all("test/file", "-i", "file=@my picture.png")
    assert all(outputs.values()), outputs
    text = home.mrun("snippet", "test/file").out
    assert "input.png" in text and "data:image/png;base64," in text, text

    # Secrets and tokens come from the environment, and without them each program stops.
    assert set(programs.all("test/secret").values()) == {"seen"}
    given = home.mrun("snippet", "test/secret", "-i", f"api_key={SECRET}", "-i", "a_text=seen")
    assert SECRET not in given.out and "API_KEY" in given.out and "from API_KEY" in given.err, given
    for language in ("curl", "python", "node", "openapi"):
        outcome = home.mrun("snippet", "test/secret", "--lang", language)
        assert token not in outcome.out + outcome.err and SECRET not in outcome.out + outcome.err, outcome
    secrets(home, programs, door.url)
    whole_values(home, programs)
    ends(home, programs)
    programs.env["MRUN_TOKEN"] = "no-such-token"
    done = programs.run(["sh"], home.mrun("snippet", "test/text").out, code=22)
    assert json.loads(done.stdout)["code"] == "M1531", done
    done = programs.run(programs.words("node"), home.mrun("snippet", "test/text", "--lang", "node").out, code=1)
    assert "token" in done.stderr, done
    for name in ("API_KEY", "MRUN_TOKEN"):
        value = programs.env.pop(name)
        for shell in ("sh", "bash", "zsh"):
            done = subprocess.run([shell], input=home.mrun("snippet", "test/secret").out, env=programs.env, capture_output=True, text=True, timeout=60)
            assert done.returncode != 0 and name in done.stderr and "is not set" in done.stderr and done.stdout == "", done
        done = programs.run(programs.words("node"), home.mrun("snippet", "test/secret", "--lang", "node").out, code=1)
        assert f"{name} is not set" in done.stderr, done
        programs.env[name] = value

    said = home.mrun("snippet", "test/text", "--json").json()
    assert said["schema"] == "mrun.snippet/v1" and said["url"] == door.url and said["listens"] and said["language"] == "curl", said
    openapi(home, door)


run(main)
