"""Goal: what `mrun snippet` prints runs as it stands: in sh, bash and zsh, Python and Node, with texts, files and secrets; and
it never holds a token."""

import json
import os
import shutil
import subprocess

import tcp_door
from harness import run

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
    del programs.env["MRUN_TOKEN"]
    done = subprocess.run(["sh"], input=home.mrun("snippet", "test/text").out, env=programs.env, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "MRUN_TOKEN" in done.stderr and "is not set" in done.stderr, done
    done = programs.run([shutil.which("node"), "-"], home.mrun("snippet", "test/text", "--lang", "node").out, code=1)
    assert "not known" in done.stderr or "token" in done.stderr, done

    said = home.mrun("snippet", "test/text", "--json").json()
    assert said["schema"] == "mrun.snippet/v1" and said["url"] == door.url and said["listens"] and said["language"] == "curl", said
    openapi(home, door)


run(main)
