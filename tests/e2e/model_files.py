"""Small models as other tools leave them: a Hugging Face folder, a GGUF file, archives."""

import io
import json
import struct
import tarfile

CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 8, "max_position_embeddings": 64}
CARD = "---\nlicense: apache-2.0\npipeline_tag: text-generation\n---\n# Tiny\n\nA tiny model for tests.\n"


def safetensors(tensors):
    """tensors: name -> (dtype, shape, bytes)"""
    header, data = {}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def gguf(**texts):
    """A GGUF file without tensors, with these texts as metadata (`__` stands for a dot)."""
    pairs = b""
    for key, value in texts.items():
        key, value = key.replace("__", ".").encode(), value.encode()
        pairs += struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, len(value)) + value
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(texts)) + pairs


def huggingface_files():
    return {
        "README.md": CARD.encode(),
        "config.json": json.dumps(CONFIG).encode(),
        "model.safetensors": safetensors({"w": ("BF16", [40, 100], bytes(8000)), "n": ("F32", [8], bytes(32))}),
        "tokenizer.json": b"{}",
        "tokenizer_config.json": b'{"chat_template": "{{ messages }}"}',
    }


def tar(files, mode="w", extra=None):
    """files: name -> bytes; `extra`: TarInfos to add."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in extra or []:
            archive.addfile(info)
    return out.getvalue()
