"""Real networks: each gives a module in eval mode, example arguments, the names of its inputs, dynamic shapes and the
arguments that it is run with. MiniLM and MobileNetV2 are the templates' (make_corpus.py)."""

import importlib.util
import sys
import types
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from corpus_cases import Case

Dim = torch.export.Dim


def easyocr_module(name):
    """A module of easyocr without its package, which imports OpenCV."""
    if "easyocr" not in sys.modules:
        package = types.ModuleType("easyocr")
        package.__path__ = list(importlib.util.find_spec("easyocr").submodule_search_locations)
        sys.modules["easyocr"] = package
    return importlib.import_module(f"easyocr.{name}")


def easyocr_weights(name):
    folder = Path(importlib.util.find_spec("easyocr_en_models").submodule_search_locations[0]) / "models"
    state = torch.load(folder / name, map_location="cpu", weights_only=True)
    return {key.removeprefix("module."): value for key, value in state.items()}


def craft():
    """Finds text in a picture: VGG16 and a U-shaped decoder."""
    net = easyocr_module("craft").CRAFT(pretrained=False)
    net.load_state_dict(easyocr_weights("craft_mlt_25k.pth"))
    return net


class Recogniser(nn.Module):
    """Reads a line of text: convolutions and two bidirectional LSTMs."""

    def __init__(self):
        super().__init__()
        self.net = easyocr_module("model.vgg_model").Model(input_channel=1, output_channel=256, hidden_size=256, num_class=97)
        self.net.load_state_dict(easyocr_weights("english_g2.pth"))

    def forward(self, image):
        return self.net(image, None)


class Lstm(nn.Module):
    """Three layers, with a state that the caller keeps."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(128, 64)
        self.lstm = nn.LSTM(64, 128, num_layers=3, batch_first=True)
        self.head = nn.Linear(128, 128)

    def forward(self, ids, h, c):
        hidden, (h, c) = self.lstm(self.embed(ids), (h, c))
        return {"logits": self.head(hidden), "h": h, "c": c}


def double(inside, outside):
    return nn.Sequential(nn.Conv2d(inside, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.ReLU(),
                         nn.Conv2d(outside, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.ReLU())


class UNet(nn.Module):
    """Three levels, transposed convolutions, skip connections."""

    def __init__(self, width=16):
        super().__init__()
        self.down = nn.ModuleList([double(3, width), double(width, 2 * width), double(2 * width, 4 * width)])
        self.middle = double(4 * width, 8 * width)
        self.widen = nn.ModuleList([nn.ConvTranspose2d(s * width, s * width // 2, 2, stride=2) for s in (8, 4, 2)])
        self.up = nn.ModuleList([double(s * width, s * width // 2) for s in (8, 4, 2)])
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, x):
        kept = []
        for block in self.down:
            x = block(x)
            kept.append(x)
            x = F.max_pool2d(x, 2)
        x = self.middle(x)
        for widen, block in zip(self.widen, self.up):
            x = block(torch.cat([kept.pop(), widen(x)], 1))
        return torch.softmax(self.head(x), 1)


class GptBlock(nn.Module):
    """A decoder block with a key-value cache given and returned."""

    def __init__(self, width=64, heads=4):
        super().__init__()
        self.heads = heads
        self.embed, self.norm1, self.norm2 = nn.Embedding(256, width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width))
        self.head = nn.Linear(width, 256, bias=False)

    def forward(self, ids, past_k, past_v):
        x = self.embed(ids)
        batch, steps, width = x.shape
        q, k, v = (part.view(batch, steps, self.heads, -1).transpose(1, 2) for part in self.qkv(self.norm1(x)).chunk(3, -1))
        k, v = torch.cat([past_k, k], 2), torch.cat([past_v, v], 2)
        past = past_k.shape[2]
        mask = torch.arange(past + steps)[None, :] <= torch.arange(past, past + steps)[:, None]
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, steps, width))
        x = x + self.mlp(self.norm2(x))
        return {"logits": self.head(x), "cache": [k, v]}


class Transformer(nn.Module):
    """nn.Transformer, encoder and decoder, with a causal mask."""

    def __init__(self):
        super().__init__()
        self.net = nn.Transformer(d_model=32, nhead=4, num_encoder_layers=2, num_decoder_layers=2, dim_feedforward=64, batch_first=True)

    def forward(self, source, target):
        return self.net(source, target, tgt_mask=nn.Transformer.generate_square_subsequent_mask(target.shape[1]), tgt_is_causal=True)


def network_cases():
    """Tolerance 0: equal to the last bit on one thread, with the same PyTorch."""
    torch.manual_seed(8)
    batch = Dim("batch", min=1, max=16)
    randn, ids = torch.randn, torch.randint
    steps, past = Dim("steps", min=2, max=64), Dim("past", min=2, max=256)
    return [
        Case("craft", craft(), (randn(1, 3, 96, 128),), ["x"], run_args=(randn(1, 3, 96, 128),)),
        Case("recogniser", Recogniser(), (randn(2, 1, 64, 128),), ["image"], shapes={"image": {0: batch}}, run_args=(randn(3, 1, 64, 128),)),
        Case("lstm_stack", Lstm(), (ids(0, 128, (2, 9)), randn(3, 2, 128), randn(3, 2, 128)), ["ids", "h", "c"]),
        Case("unet_deep", UNet(), (randn(2, 3, 64, 64),), ["x"], shapes={"x": {0: batch}}, run_args=(randn(1, 3, 64, 64),)),
        Case("gpt_block", GptBlock(), (ids(0, 256, (2, 5)), randn(2, 4, 7, 16), randn(2, 4, 7, 16)), ["ids", "past_k", "past_v"],
             shapes={"ids": {0: batch, 1: steps}, "past_k": {0: batch, 2: past}, "past_v": {0: batch, 2: past}},
             run_args=(ids(0, 256, (3, 4)), randn(3, 4, 31, 16), randn(3, 4, 31, 16))),
        Case("transformer", Transformer(), (randn(2, 7, 32), randn(2, 5, 32)), ["source", "target"]),
    ]
