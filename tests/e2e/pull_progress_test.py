"""Goal: what a pull shows on a terminal is true: never more than there is, what is left, and in the end what came."""

import hashlib
import os
import re
import time

from faulty_registry import Faulty
from foreign_artifacts import push_raw
from harness import Home, run
from model_files import huggingface_files
from screen import CLEAR, on_screen

MIB = 1 << 20
SIZE = 140 * MIB  # three ranges
LINE = re.compile(r"pulling (?:\[#*-*\] )?([0-9.]+ \w+)(?: of ([0-9.]+ \w+))?(?:, ([0-9.]+ \w+)/s)?(?:, ([0-9.]+ \S+) left)?")
UNITS = {"bytes": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def main(home):
    content = os.urandom(SIZE)
    for name, ranges in (("in ranges", True), ("in one stream", False)):
        faulty, other = Faulty(), Home()
        try:
            push_raw(faulty, "acme/large", huggingface_files() | {"extra.bin": content})
            faulty.plan = slowly(content, ranges)
            shows_the_truth(name, other, f"{faulty.host}/acme/large")
            if ranges:
                fits_a_narrow_pane(f"{faulty.host}/acme/large")
        finally:
            faulty.close()
            other.close()


def slowly(content, ranges):
    """The large blob in steps, with or without ranges."""
    path = hashlib.sha256(content).hexdigest()

    def plan(handler):
        if path not in handler.path:
            return False
        first, last = map(int, handler.headers["Range"].removeprefix("bytes=").split("-")) if ranges else (0, SIZE - 1)
        handler.send_response(206 if ranges else 200)
        if ranges:
            handler.send_header("Content-Range", f"bytes {first}-{last}/{SIZE}")
        handler.send_header("Content-Length", str(last - first + 1))
        handler.end_headers()
        for at in range(first, last + 1, 4 * MIB):
            handler.wfile.write(content[at:min(at + 4 * MIB, last + 1)])
            time.sleep(0.1)  # it takes a few seconds, so that there is a rate
        return True

    return plan


def size(text):
    number, unit = text.split()
    return float(number) * UNITS[unit]


def shows_the_truth(name, home, remote):
    text = on_screen(home, "pull", remote, on=("err",)).shown
    lines = [match.groups() for match in LINE.finditer(text)]
    assert len(lines) > 5, (name, text)
    bars = re.findall(r"pulling \[(#*)(-*)\] ", text)
    assert all(len(full) + len(empty) == 20 for full, empty in bars) and any(full and empty for full, empty in bars), (name, text)
    done, total = [size(line[0]) for line in lines], {line[1] for line in lines if line[1]}
    assert len(total) == 1, (name, total)
    whole = size(total.pop())
    assert whole * 0.99 < SIZE < whole * 1.01 and max(done) <= whole * 1.001, (name, done, whole)
    assert done == sorted(done), (name, done)
    assert any(SIZE * 0.1 < bytes_ < SIZE * 0.9 for bytes_ in done), (name, done)
    assert any(line[2] and size(line[2]) > 0 and line[3] for line in lines), (name, lines)
    fetched = re.search(r", ([0-9.]+ \w+) fetched", text)
    assert fetched and SIZE <= size(fetched[1]) * 1.01 and size(fetched[1]) < SIZE * 1.5, (name, text[-300:])


def fits_a_narrow_pane(remote):
    """A line that wrapped would leave a row behind at each redraw."""
    home = Home()
    try:
        text = on_screen(home, "pull", remote, on=("err",), columns=40).shown
    finally:
        home.close()
    lines = [part.split("\r", 1)[0].split("\n", 1)[0] for part in text.split(CLEAR) if part.startswith("pulling")]
    assert len(lines) > 5 and all(len(line) < 40 and "[" not in line for line in lines), lines
    assert any(line.endswith("…") for line in lines), lines


run(main)
