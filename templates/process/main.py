#!/usr/bin/env python3
"""A predictor in Python's standard library: JSON lines on standard input and output. Turn it into your own.

`load` runs once and `predict` for each prediction; the rest is the protocol and can stay as it is.
"""

import array
import json
import math
import os
import queue
import sys
import threading
import wave

RATE = 44_100  # samples a second


def load():
    """What every prediction needs: read weights here, from files beside this one. mrun waits for it to return."""


class Prediction:
    """One prediction: what to tell mrun while it runs."""

    def __init__(self, number, folder):
        self.number, self.folder, self.is_canceled = number, folder, False

    def output(self, value):
        """A value of the output's type; once, or once per item of a streamed array."""
        send(id=self.number, output=value)

    def text(self, chunk):
        """A piece of an output that is a string."""
        send(id=self.number, text=chunk)

    def file(self, name, media_type):
        """A file that was written into self.folder."""
        send(id=self.number, file=name, media_type=media_type)

    def log(self, line):
        send(id=self.number, log=line)

    def metric(self, name, value):
        send(id=self.number, metric=name, value=value)


def predict(prediction, input):
    """Gives the outputs through `prediction`. An exception fails this prediction, with its words."""
    count = int(input["seconds"] * RATE)
    samples = array.array("h")
    for start in range(0, count, RATE):
        if prediction.is_canceled:
            return
        part = range(start, min(start + RATE, count))
        samples.extend(int(32767 * input["volume"] * math.sin(2 * math.pi * input["frequency"] * i / RATE)) for i in part)
    with wave.open(os.path.join(prediction.folder, "tone.wav"), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())
    prediction.metric("samples", count)
    prediction.file("tone.wav", "audio/wav")


# --- the protocol -----------------------------------------------------------------------------------------------

messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)  # whatever prints, prints to the log
sending = threading.Lock()


def send(**message):
    with sending:
        messages.write(json.dumps(message) + "\n")
        messages.flush()


def read(waiting, running):
    """The reading thread: a cancel must be seen while a prediction runs."""
    for line in sys.stdin:
        message = json.loads(line)
        if "predict" in message:
            prediction = Prediction(message["predict"], message["folder"])
            running[prediction.number] = prediction
            waiting.put((prediction, message["input"]))
        elif message.get("cancel") in running:
            running[message["cancel"]].is_canceled = True
    waiting.put(None)  # mrun has closed our input: the end


def main():
    load()
    send(ready=True)
    waiting, running = queue.Queue(), {}
    threading.Thread(target=read, args=(waiting, running), daemon=True).start()
    while (given := waiting.get()) is not None:
        prediction, input = given
        try:
            predict(prediction, input)
            send(id=prediction.number, done="canceled" if prediction.is_canceled else "succeeded")
        except Exception as error:
            send(id=prediction.number, done="failed", error=f"{type(error).__name__}: {error}")
        del running[prediction.number]


main()
