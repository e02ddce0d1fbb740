"""Goal: the official Replicate client for Python works against the socket, unmodified but for its transport."""

import os
import subprocess

from harness import run

CLIENT = r"""
import io, sys, httpx, replicate
from replicate.exceptions import ModelError, ReplicateError
client = replicate.Client(api_token="none", base_url="http://localhost", transport=httpx.HTTPTransport(uds=sys.argv[1]))

assert client.run("test/text", input={"text": "hello"}) == "hello" or "".join(client.run("test/text", input={"text": "hello"})) == "hello"
version = client.models.get("test/text").latest_version or client.models.versions.list("test/text")[0]
joined = "".join(client.run(f"test/text:{version.id}", input={"text": "hello"}))
assert joined == "hello", joined
assert version.openapi_schema["components"]["schemas"]["Output"]

prediction = client.predictions.create(version=version.id, input={"text": "poll"})
prediction.wait()
assert prediction.status == "succeeded", prediction
assert client.predictions.get(prediction.id).output == prediction.output
assert any(p.id == prediction.id for p in client.predictions.list())

streamed = "".join(str(event) for event in client.stream("test/text", input={"text": "streamed"}) if event.event.value == "output")
assert streamed == "streamed", streamed

slow = client.predictions.create(version=version.id, input={"text": "x", "mode": "slow", "ms": 30000})
slow.cancel()
slow.wait()
assert slow.status == "canceled", slow

try:
    client.run("test/text", input={"text": "x", "mode": "fail"})
    raise SystemExit("a failed prediction must raise")
except ModelError as error:
    assert error.prediction.status == "failed"
try:
    client.run("test/text", input={"tetx": "x"})
    raise SystemExit("a wrong input must raise")
except ReplicateError as error:
    assert error.status == 422 and "text" in error.detail, error
try:
    client.run("no/such", input={})
    raise SystemExit("an unknown model must raise")
except ReplicateError as error:
    assert error.status == 404

out = client.run("test/file", input={"file": io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"x" * 400_000)})
print("ok")
"""
INPUTS = "text: {type: string, default: hello}\nmode: {type: string, default: echo}\nms: {type: integer, default: 100}"


def main(home):
    home.model("test/text", inputs=INPUTS, output="type: string\niterator: true\nconcatenate: true")
    home.model("test/file", inputs="file: {type: file}")
    home.mrun("daemon", "start")
    done = subprocess.run([os.environ["MRUN_DEV_PYTHON"], "-c", CLIENT, str(home.socket)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout == "ok\n", done.stdout + done.stderr


run(main)
