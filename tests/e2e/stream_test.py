"""Goal: text appears piece by piece, on the terminal and on both streams of the API; a late reader sees all of it."""

import os
import time

from harness import UnixConnection, run


def main(home):
    home.model("test/talk", inputs="mode: {type: string, default: \"stream:5:150\"}", output="type: string\niterator: true\nconcatenate: true")
    home.mrun("predict", "test/talk", "-i", "mode=stream:2:0")

    command = home.start("predict", "test/talk", text=False)
    arrivals, text = [], b""
    while True:
        part = os.read(command.stdout.fileno(), 4096)
        if not part:
            break
        arrivals.append(time.monotonic())
        text += part
    assert command.wait() == 0
    assert text.decode().split() == "chunk 0 chunk 1 chunk 2 chunk 3 chunk 4".split(), text
    assert len(arrivals) >= 4 and arrivals[-1] - arrivals[0] > 0.25, "the chunks came all at once"
    command.stderr.close()

    # Our events: in order, numbered from 1, done last.
    connection = UnixConnection(home.socket, 30)
    connection.request("POST", "/mrun/v1/predictions", '{"version": "test/talk", "input": {}}',
                       {"Content-Type": "application/json", "Accept": "text/event-stream"})
    body = connection.getresponse().read().decode()
    connection.close()
    names = [line[7:] for line in body.splitlines() if line.startswith("event: ")]
    numbers = [int(line[4:]) for line in body.splitlines() if line.startswith("id: ")]
    assert names[0] == "queued" and names[-1] == "done" and "output" in names and "started" in names, names
    assert numbers == sorted(set(numbers)) and numbers[0] == 1, numbers

    # Replicate's stream of a finished prediction replays it; after a number that no event has nothing is left.
    prediction = home.predict("test/talk", mode="stream:3:0").json()
    daemon = home.daemon_pid()
    for number in ("18446744073709551615", "9223372036854775807", "x:18446744073709551614", "-1", "1e9"):
        for path in (f"/v1/predictions/{prediction['id']}/stream", f"/mrun/v1/predictions/{prediction['id']}/events"):
            body = home.api("GET", path, headers={"Last-Event-ID": number}).body
            assert b"event: done" in body and (number in ("-1", "1e9") or b"event: output" not in body), (number, body)
    assert home.daemon_pid() == daemon
    stream = home.api("GET", f"/v1/predictions/{prediction['id']}/stream").body.decode()
    assert "".join(line[6:] for line in stream.splitlines() if line.startswith("data: ") and "chunk" in line) == prediction["output"] == "chunk 0 chunk 1 chunk 2 ", (stream, prediction["output"])


run(main)
