#!/usr/bin/env python3
"""Writes reference.json: small pictures of each kind and the pixels that Pillow makes of them.

Run it in the development environment after a change:  python make_reference.py > reference.json
"""
import base64
import io
import json

import numpy as np
from PIL import Image, ImageOps


def text(data):
    return base64.b64encode(data).decode()


def saved(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def main():
    rng = np.random.default_rng(5)
    rgb = Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8))
    rgba = Image.fromarray(rng.integers(0, 256, (5, 7, 4), dtype=np.uint8), "RGBA")
    deep = Image.fromarray(rng.integers(0, 600, (5, 7), dtype=np.uint16))
    exif = Image.Exif()
    exif[0x0112] = 6
    pictures = {
        "jpeg": saved(rgb, format="JPEG", quality=60),
        "jpeg progressive": saved(rgb, format="JPEG", quality=60, progressive=True),
        "jpeg gray": saved(rgb.convert("L"), format="JPEG"),
        "jpeg cmyk": saved(rgb.convert("CMYK"), format="JPEG"),
        "jpeg turned": saved(rgb, format="JPEG", exif=exif.tobytes()),
        "png rgb": saved(rgb, format="PNG"),
        "png rgba": saved(rgba, format="PNG"),
        "png gray alpha": saved(rgba.convert("LA"), format="PNG"),
        "png palette": saved(rgb.quantize(12), format="PNG"),
        "png 1 bit": saved(rgb.convert("1"), format="PNG"),
        "png 16 bit": saved(deep, format="PNG"),
        "png turned": saved(rgb, format="PNG", exif=exif.tobytes()),
        "webp": saved(rgb, format="WEBP", quality=60),
        "webp lossless alpha": saved(rgba, format="WEBP", lossless=True, exact=True),
        "webp animation": saved(rgb, format="WEBP", save_all=True, append_images=[rgb.rotate(180)], lossless=True),
        "webp turned": saved(rgb, format="WEBP", lossless=True, exif=exif.tobytes()),
    }
    out = {}
    for name, data in pictures.items():
        image = Image.open(io.BytesIO(data))
        turned = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        out[name] = {"file": text(data), "pixels": text(np.asarray(image.convert("RGB")).tobytes()), "upright_shape": turned.shape, "upright": text(turned.tobytes())}
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
