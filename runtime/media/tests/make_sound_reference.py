#!/usr/bin/env python3
"""Writes sound_reference.json: small sounds of each kind with the samples that libsndfile (which torchaudio.load uses)
makes of them, and what torchaudio's resample and MelSpectrogram make of a sound.

torchaudio itself is not needed: its formulas (torchaudio/functional/functional.py, 2.x) are written out here in numpy,
in its order of operations; sound_parity_test.py compares the outcome with torchaudio. Run after a change, in an environment with numpy and soundfile:
    python make_sound_reference.py > sound_reference.json
"""
import base64
import io
import json
import math
import struct

import numpy as np
import soundfile


def text(data):
    return base64.b64encode(data).decode()


def numbers(array):
    array = np.ascontiguousarray(array, np.float32)
    return {"shape": array.shape, "f32": text(array.tobytes())}


# ---- torchaudio.functional.resample, sinc_interp_hann ---------------------------------------------------------
def resample(waveform, orig_freq, new_freq, lowpass_filter_width=6, rolloff=0.99):
    gcd = math.gcd(orig_freq, new_freq)
    orig_freq, new_freq = orig_freq // gcd, new_freq // gcd
    base_freq = min(orig_freq, new_freq) * rolloff
    width = math.ceil(lowpass_filter_width * orig_freq / base_freq)
    idx = np.arange(-width, width + orig_freq)[None, None] / orig_freq
    t = np.arange(0, -new_freq, -1)[:, None, None] / new_freq + idx
    t = np.clip(t * base_freq, -lowpass_filter_width, lowpass_filter_width)
    window = np.cos(t * math.pi / lowpass_filter_width / 2) ** 2
    t = t * math.pi
    kernels = np.where(t == 0, 1.0, np.sin(t) / np.where(t == 0, 1.0, t)) * window * (base_freq / orig_freq)
    kernels = kernels[:, 0].astype(np.float32)
    padded = np.pad(waveform, (width, width + orig_freq)).astype(np.float64)
    blocks = (len(padded) - kernels.shape[1]) // orig_freq + 1
    resampled = np.concatenate([kernels @ padded[b * orig_freq : b * orig_freq + kernels.shape[1]] for b in range(blocks)])
    return resampled[: math.ceil(new_freq * len(waveform) / orig_freq)]


# ---- torchaudio.transforms.MelSpectrogram ---------------------------------------------------------------------
def hz_to_mel(freq, mel_scale):
    if mel_scale == "htk":
        return 2595.0 * math.log10(1.0 + freq / 700.0)
    f_sp, min_log_hz, logstep = 200.0 / 3, 1000.0, math.log(6.4) / 27.0
    return min_log_hz / f_sp + math.log(freq / min_log_hz) / logstep if freq >= min_log_hz else freq / f_sp


def mel_to_hz(mels, mel_scale):
    if mel_scale == "htk":
        return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    f_sp, min_log_hz, logstep = 200.0 / 3, 1000.0, math.log(6.4) / 27.0
    min_log_mel = min_log_hz / f_sp
    return np.where(mels >= min_log_mel, min_log_hz * np.exp(logstep * (mels - min_log_mel)), f_sp * mels)


def melscale_fbanks(n_freqs, f_min, f_max, n_mels, sample_rate, norm, mel_scale):
    all_freqs = np.linspace(0, sample_rate // 2, n_freqs)
    f_pts = mel_to_hz(np.linspace(hz_to_mel(f_min, mel_scale), hz_to_mel(f_max, mel_scale), n_mels + 2), mel_scale)
    f_diff = f_pts[1:] - f_pts[:-1]
    slopes = f_pts[None] - all_freqs[:, None]
    fb = np.maximum(0.0, np.minimum(-slopes[:, :-2] / f_diff[:-1], slopes[:, 2:] / f_diff[1:]))
    if norm == "slaney":
        fb *= (2.0 / (f_pts[2 : n_mels + 2] - f_pts[:n_mels]))[None]
    return fb


def mel_spectrogram(waveform, sample_rate, n_fft, win_length, hop_length, f_min, f_max, n_mels, power, norm, mel_scale, center):
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(win_length) / win_length)  # torch.hann_window, periodic
    left = (n_fft - win_length) // 2
    window = np.pad(window, (left, n_fft - win_length - left))
    padded = np.pad(waveform.astype(np.float64), n_fft // 2, mode="reflect") if center else waveform.astype(np.float64)
    frames = 1 + (len(padded) - n_fft) // hop_length
    spectrum = np.stack([np.fft.rfft(padded[f * hop_length : f * hop_length + n_fft] * window) for f in range(frames)], 1)
    return (np.abs(spectrum) ** power).T @ melscale_fbanks(n_fft // 2 + 1, f_min, f_max, n_mels, sample_rate, norm, mel_scale)


def logarithm(mel, log, offset, top_db, power):
    if log == "ln":
        return np.log(mel + offset)
    if log == "log10":
        return np.log10(mel + offset)
    if log == "none":
        return mel
    db = (10.0 if power == 2 else 20.0) * np.log10(np.maximum(mel, 1e-10))  # AmplitudeToDB, whose ref_value is 1
    return np.maximum(db, db.max() - top_db) if top_db is not None else db


# ---- sounds ---------------------------------------------------------------------------------------------------
def written(samples, rate, **options):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, **options)
    return buffer.getvalue()


def ogg_pages(packets, granules):
    """One packet a page (RFC 3533)."""
    table = []
    for byte in range(256):
        crc = byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
        table.append(crc)
    out = b""
    for number, (packet, granule) in enumerate(zip(packets, granules)):
        flags = (2 if number == 0 else 0) | (4 if number == len(packets) - 1 else 0)
        lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
        page = struct.pack("<4sBBQIIIB", b"OggS", 0, flags, granule, 77, number, 0, len(lacing)) + lacing + packet
        crc = 0
        for byte in page:
            crc = (crc << 8 ^ table[crc >> 24 ^ byte]) & 0xFFFFFFFF
        out += page[:22] + struct.pack("<I", crc) + page[26:]
    return out


def ogg_flac(flac, frames):
    """The FLAC-in-Ogg mapping of a native file with one audio frame."""
    at, blocks = 4, []
    while True:
        size = int.from_bytes(flac[at + 1 : at + 4], "big")
        last = flac[at] & 0x80
        blocks.append(bytes([flac[at] & 0x7F]) + flac[at + 1 : at + 4 + size])
        at += 4 + size
        if last:
            break
    info = next(block for block in blocks if block[0] == 0)
    comment = next(block for block in blocks if block[0] == 4)
    comment = bytes([comment[0] | 0x80]) + comment[1:]
    return ogg_pages([b"\x7fFLAC\x01\x00\x00\x01fLaC" + info, comment, flac[at:]], [0, 0, frames])


def main():
    rng = np.random.default_rng(11)
    time = np.arange(300) / 8000
    stereo = np.stack([0.6 * np.sin(2 * np.pi * 440 * time), 0.3 * np.sin(2 * np.pi * 900 * time)], 1) + rng.normal(0, 0.02, (300, 2))
    mono = stereo[:, :1]
    flac = written(stereo, 8000, format="FLAC", subtype="PCM_16")
    sounds = {
        "wav u8": written(mono, 8000, format="WAV", subtype="PCM_U8"),
        "wav 16": written(stereo, 44100, format="WAV", subtype="PCM_16"),
        "wav 24": written(stereo, 8000, format="WAV", subtype="PCM_24"),
        "wav 32": written(mono, 8000, format="WAV", subtype="PCM_32"),
        "wav float": written(stereo * 2, 16000, format="WAV", subtype="FLOAT"),
        "wav double": written(mono, 8000, format="WAV", subtype="DOUBLE"),
        "wav extensible": written(stereo, 8000, format="WAVEX", subtype="PCM_24"),
        "flac 16": flac,
        "flac 24": written(mono, 96000, format="FLAC", subtype="PCM_24"),
        "ogg vorbis": written(mono, 8000, format="OGG", subtype="VORBIS"),
        "ogg flac": ogg_flac(flac, 300),
    }
    out = {"sounds": {}, "opus": text(written(mono, 8000, format="OGG", subtype="OPUS")), "alaw": text(written(mono, 8000, format="WAV", subtype="ALAW"))}
    for name, data in sounds.items():
        samples, rate = soundfile.read(io.BytesIO(flac if name == "ogg flac" else data), dtype="float32", always_2d=True)
        out["sounds"][name] = {"file": text(data), "rate": rate, "samples": numbers(samples.T)}
    wave = (0.5 * np.sin(2 * np.pi * np.cumsum(np.linspace(100, 3500, 800)) / 8000) + rng.normal(0, 0.05, 800)).astype(np.float32)
    out["wave"] = numbers(wave)
    out["resample"] = [{"from": a, "to": b, "result": numbers(resample(wave, a, b))} for a, b in ((44100, 16000), (8000, 11025), (48000, 8000))]
    plain = {"sample_rate": 8000, "n_fft": 100, "win_length": 100, "hop_length": 40, "f_min": 0.0, "f_max": 4000.0, "n_mels": 10, "power": 2, "norm": "none",
             "mel_scale": "htk", "center": True, "log": "ln", "offset": 1e-6, "top_db": None}
    out["log_mel"] = []
    for change in ({}, {"mel_scale": "slaney", "norm": "slaney", "log": "db", "top_db": 20.0}, {"power": 1, "log": "db"}, {"win_length": 64, "n_fft": 128, "log": "log10", "offset": 1e-4},
                   {"center": False, "f_min": 300.0, "f_max": 3400.0, "log": "none"}, {"n_fft": 93, "win_length": 93, "sample_rate": 7999, "f_max": 3999.5}):
        options = plain | change
        spectrogram = {key: options[key] for key in options if key not in ("log", "offset", "top_db")}
        mel = mel_spectrogram(wave, **spectrogram).T
        out["log_mel"].append({"options": options, "result": numbers(logarithm(mel, options["log"], options["offset"], options["top_db"], options["power"]))})
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
