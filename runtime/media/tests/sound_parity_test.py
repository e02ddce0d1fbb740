#!/usr/bin/env python3
"""The committed reference of the steps for sound (sound_reference.json) beside torchaudio itself.

Usage: sound_parity_test.py, in the development environment. In f64, torchaudio gives the reference but for rounding; with
samples in f32 it rounds its filter and its sums, too, so the results are a little further apart.
"""

import base64
import json
import sys
import types
from pathlib import Path

import numpy as np
import torch

# What is compared is written in Python; torchaudio's library needs CUDA's, which a torch for CPUs lacks.
no_library = types.ModuleType("torchaudio._extension")
no_library.fail_if_no_align = lambda function: function
no_library._IS_TORCHAUDIO_EXT_AVAILABLE = False
sys.modules["torchaudio._extension"] = no_library
import torchaudio  # noqa: E402


def tensor_of(entry):
    return torch.from_numpy(np.frombuffer(base64.b64decode(entry["f32"]), np.float32).reshape(entry["shape"]).copy())


def distance(got, wanted):
    assert got.shape == wanted.shape, (got.shape, wanted.shape)
    return ((got - wanted).abs() / (1 + wanted.abs())).max().item()


def logarithm(mel, log, offset, top_db, power):
    if log == "ln":
        return torch.log(mel + offset)
    if log == "log10":
        return torch.log10(mel + offset)
    if log == "none":
        return mel
    return torchaudio.transforms.AmplitudeToDB("power" if power == 2 else "magnitude", top_db)(mel)


def main():
    reference = json.loads((Path(__file__).parent / "sound_reference.json").read_text())
    wave = tensor_of(reference["wave"])
    worst = {}

    def note(what, got, wanted):
        worst[what] = max(worst.get(what, 0.0), distance(got, wanted))

    for row in reference["resample"]:
        wanted = tensor_of(row["result"])
        note("resample f64", torchaudio.functional.resample(wave.double(), row["from"], row["to"]), wanted)
        note("resample f32", torchaudio.functional.resample(wave, row["from"], row["to"]), wanted)
    for row in reference["log_mel"]:
        options = dict(row["options"])
        how = [options.pop(key) for key in ("log", "offset", "top_db")]
        if options["norm"] == "none":
            options["norm"] = None
        wanted = tensor_of(row["result"])
        spectrogram = torchaudio.transforms.MelSpectrogram(**options)
        note("log_mel f32", logarithm(spectrogram(wave), *how, options["power"]), wanted)
        note("log_mel f64", logarithm(spectrogram.double()(wave.double()), *how, options["power"]), wanted)
    print(f"torchaudio {torchaudio.__version__}:", ", ".join(f"{what} {value:.1e}" for what, value in worst.items()))
    limits = {"resample f64": 1e-6, "resample f32": 3e-5, "log_mel f64": 1e-5, "log_mel f32": 1e-5}
    assert len(reference["resample"]) >= 3 and len(reference["log_mel"]) >= 6
    for what, limit in limits.items():
        assert worst[what] < limit, (what, worst[what], limit)


main()
