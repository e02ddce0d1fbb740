"""Goal: curl, the official Replicate client for Python and Node's fetch work over TCP, unmodified, with a token and not without."""

import os
import shutil
import subprocess

from harness import run
from tcp_door import Door

PYTHON = r"""
import io, os, sys, replicate
from replicate.exceptions import ReplicateError
assert os.environ["REPLICATE_BASE_URL"] and os.environ["REPLICATE_API_TOKEN"]

joined = replicate.run("test/text", input={"text": "hello"})
assert "".join(joined) == "hello", joined
version = replicate.models.get("test/text").latest_version
assert "".join(replicate.run(f"test/text:{version.id}", input={"text": "hello"})) == "hello"
streamed = "".join(str(event) for event in replicate.stream("test/text", input={"text": "streamed"}) if event.event.value == "output")
assert streamed == "streamed", streamed
prediction = replicate.predictions.create(version=version.id, input={"text": "x", "mode": "slow", "ms": 30000})
prediction.cancel()
prediction.wait()
assert prediction.status == "canceled", prediction
assert any(p.id == prediction.id for p in replicate.predictions.list())
replicate.run("test/file", input={"file": io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"x" * 400_000)})
try:
    replicate.Client(base_url=os.environ["REPLICATE_BASE_URL"], api_token="mrun_wrong").run("test/text", input={})
    raise SystemExit("a wrong token must raise")
except ReplicateError as error:
    assert error.status == 401 and error.title and "not known" in error.detail, error
looker = replicate.Client(base_url=os.environ["REPLICATE_BASE_URL"], api_token=os.environ["READ_TOKEN"])
assert looker.predictions.get(prediction.id).status == "canceled"
try:
    looker.run("test/text", input={})
    raise SystemExit("a token that can only look must raise")
except ReplicateError as error:
    assert error.status == 403 and "predict" in error.detail, error
print("ok")
"""

# As the JavaScript client does: the token on calls, none on urls.stream.
NODE = r"""
const assert = require("node:assert");
const base = process.env.REPLICATE_BASE_URL, token = process.env.REPLICATE_API_TOKEN;
const call = (path, options = {}) =>
  fetch(base + path, { ...options, headers: { Authorization: `Bearer ${token}`, ...options.headers } });
const post = (body) => ({ method: "POST", headers: { "Content-Type": "application/json", Prefer: "wait" }, body: JSON.stringify(body) });

async function main() {
  const reply = await call("/v1/predictions", post({ version: "test/text", input: { text: "from node" } }));
  assert.strictEqual(reply.status, 201);
  const prediction = await reply.json();
  assert.strictEqual([].concat(prediction.output).join(""), "from node");
  const stream = await fetch(prediction.urls.stream, { headers: { Accept: "text/event-stream" } });
  const text = await stream.text();
  assert.ok(stream.ok && text.includes("event: output") && text.trimEnd().endsWith("data: {}"), text);
  const got = await call(`/v1/predictions/${prediction.id}`);
  assert.strictEqual((await got.json()).status, "succeeded");
  const refused = await fetch(base + "/v1/predictions");
  assert.strictEqual(refused.status, 401);
  assert.strictEqual((await refused.json()).code, "M1531");
  const form = new FormData();
  form.append("content", new Blob(["a".repeat(300000)], { type: "text/plain" }), "a.txt");
  const file = await (await call("/v1/files", { method: "POST", body: form })).json();
  const used = await call("/v1/predictions", post({ version: "test/file", input: { file: file.urls.get } }));
  assert.strictEqual((await used.json()).status, "succeeded");
  console.log("ok");
}
main();
"""
INPUTS = "text: {type: string, default: hello}\nmode: {type: string, default: echo}\nms: {type: integer, default: 100}"


def curl(door, *words, token=None, stdin=None):
    """Status and body. The token goes by standard input: a command line can be read by everybody."""
    config = f'header = "Authorization: Bearer {token}"\n' if token else ""
    done = subprocess.run(["curl", "-sS", "-K", "-", "-w", "\n%{http_code}", *words], input=config, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def main(home):
    home.model("test/text", inputs=INPUTS, output="type: string\niterator: true\nconcatenate: true")
    home.model("test/file", inputs="file: {type: file}")
    door = Door(home)
    token, read = door.token("clients"), door.token("looker", "--scope", "read")

    status, body = curl(door, f"{door.url}/v1/predictions", "-H", "Content-Type: application/json", "-H", "Prefer: wait",
                        "-d", '{"version": "test/text", "input": {"text": "from curl"}}', token=token)
    assert status == 201 and '"output":"from curl"' in body, body
    status, body = curl(door, f"{door.url}/v1/predictions")
    assert status == 401 and '"status":401' in body, body
    status, body = curl(door, f"{door.url}/v1/files", "-F", "content=@/bin/true", token=token)
    assert status == 201, body
    status, body = curl(door, f"{door.url}/v1/files", "-F", "content=@/bin/true", token=read)
    assert status == 403, body

    env = {"PATH": os.environ["PATH"], "REPLICATE_BASE_URL": door.url, "REPLICATE_API_TOKEN": token, "READ_TOKEN": read}
    node = shutil.which("node")
    assert node, "nodejs is one of the packages that scripts/test installs"
    for words in ([os.environ["MRUN_DEV_PYTHON"], "-c", PYTHON], [node, "-e", NODE]):
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0 and done.stdout == "ok\n", done.stdout + done.stderr


run(main)
