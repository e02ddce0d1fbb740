#!/usr/bin/env python3
"""Makes a zoo for the torch engine's tests: the architectures that people export, at a small size with random weights,
and what Python gives for each.

Usage: make_zoo.py OUT [NAME...]. OUT/<name>/ as make_corpus.py writes it, and OUT/zoo.json: the names of those that
were made, and the errors of those that this PyTorch itself could not export or run. torchvision's detectors are
TorchScript: torch.export takes none of them whole. OUT is a cache: nothing is done when its stamp fits.
"""

import hashlib
import json
import shutil
import sys
import traceback
import warnings
from pathlib import Path
from typing import Tuple

import torch
import torchvision
import transformers
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from corpus_cases import Case
from make_corpus import write_exported, write_torchscript

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 99}
VISION = ["alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3",
          "maxvit_t", "mnasnet0_5", "mobilenet_v3_small", "regnet_y_400mf", "resnet18", "resnext50_32x4d",
          "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "swin_v2_t", "vgg11_bn", "vit_b_32", "wide_resnet50_2"]
DENSE = ["deeplabv3_mobilenet_v3_large", "fcn_resnet50", "lraspp_mobilenet_v3_large"]
DETECTORS = {"fasterrcnn_mobilenet_v3_large_320_fpn": {"box_score_thresh": 0.0, "box_detections_per_img": 20},
             "maskrcnn_resnet50_fpn": {"box_score_thresh": 0.0, "box_detections_per_img": 3, "min_size": 128, "max_size": 160},
             "retinanet_resnet50_fpn": {"score_thresh": 0.0, "detections_per_img": 20, "min_size": 128, "max_size": 160},
             "ssdlite320_mobilenet_v3_large": {"score_thresh": 0.0, "detections_per_img": 20}}
ENCODERS = {"albert": {"embedding_size": 16}, "bert": {}, "camembert": {}, "deberta-v2": {"relative_attention": True}, "electra": {},
            "mpnet": {}, "modernbert": {}, "roberta": {}, "xlm-roberta": {}}
DECODERS = {"gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4}, "gpt_neox": {}, "llama": {"num_key_value_heads": 2},
            "mistral": {"num_key_value_heads": 2}, "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32}, "phi": {},
            "qwen2": {"num_key_value_heads": 2}, "qwen3": {"num_key_value_heads": 2, "head_dim": 8},
            "gemma": {"num_key_value_heads": 2, "head_dim": 8}, "gemma2": {"num_key_value_heads": 2, "head_dim": 8},
            "bloom": {"n_layer": 2, "n_head": 4}, "falcon": {}, "stablelm": {"num_key_value_heads": 2}, "olmo": {}}


class First(torch.nn.Module):
    """A model of transformers with plain arguments; the first output alone, without caches."""

    def __init__(self, model, names, **options):
        super().__init__()
        self.model, self.names, self.options = model, names, options

    def forward(self, *inputs):
        return self.model(**dict(zip(self.names, inputs)), return_dict=True, **self.options)[0]


class Detector(torch.nn.Module):
    """One picture, and plain tensors of what is found in it."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        found = self.model([x])[1][0] if torch.jit.is_scripting() else self.model([x])[0]
        return found["boxes"], found["scores"], found["labels"]


def detector(name, options):
    model = torchvision.models.get_model(name, weights=None, weights_backbone=None, **options)
    return Case(name, Detector(model), (torch.rand(3, 120, 160),), ["x"], tolerance=1e-3)


def vision(name):
    model = torchvision.models.get_model(name, weights=None, weights_backbone=None) if name in DENSE else \
        torchvision.models.get_model(name, weights=None)
    size = 299 if name == "inception_v3" else 224
    argument = "input" if name.startswith("lraspp") else "x"
    return Case(name, model, (torch.randn(1, 3, size, size),), [argument], run_args=(torch.randn(1, 3, size, size),))


def of_transformers(kind, options):
    known = AutoConfig.for_model(kind)
    config = {key: value for key, value in SMALL.items() if hasattr(known, key)}
    for token in ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"):
        if hasattr(known, token):
            config[token] = {"p": 0, "b": 1, "e": 2, "c": 1, "s": 2}[token[0]]
    return AutoConfig.for_model(kind, **(config | options))


def dynamic_ids(count):
    batch, length = torch.export.Dim("batch", min=1, max=64), torch.export.Dim("length", min=2, max=32)
    return {"inputs": tuple({0: batch, 1: length} for _ in range(count))}


def encoder(kind, options):
    model = AutoModel.from_config(of_transformers(kind, options))
    args = lambda rows, columns: (torch.randint(3, 99, (rows, columns)), torch.ones(rows, columns, dtype=torch.int64))
    return Case(kind, First(model, ["input_ids", "attention_mask"]), args(2, 7), ["inputs_0", "inputs_1"], shapes=dynamic_ids(2),
                run_args=args(3, 11))


def decoder(kind, options):
    model = AutoModelForCausalLM.from_config(of_transformers(kind, options))
    return Case(kind, First(model, ["input_ids"], use_cache=False), (torch.randint(3, 99, (2, 7)),), ["inputs_0"], shapes=dynamic_ids(1),
                run_args=(torch.randint(3, 99, (3, 11)),))


def t5():
    config = AutoConfig.for_model("t5", d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, vocab_size=99, decoder_start_token_id=0)
    args = lambda rows: (torch.randint(3, 99, (rows, 9)), torch.randint(3, 99, (rows, 5)))
    model = AutoModelForSeq2SeqLM.from_config(config)
    return Case("t5", First(model, ["input_ids", "decoder_input_ids"], use_cache=False), args(2), ["inputs_0", "inputs_1"])


def whisper():
    config = AutoConfig.for_model("whisper", d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
                                  encoder_ffn_dim=64, decoder_ffn_dim=64, vocab_size=99, max_source_positions=50, num_mel_bins=16,
                                  pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1)
    model = AutoModel.from_config(config)
    args = (torch.randn(1, 16, 100), torch.randint(3, 99, (1, 4)))
    return Case("whisper", First(model, ["input_features", "decoder_input_ids"], use_cache=False), args, ["inputs_0", "inputs_1"])


def pictures(kind, size, **options):
    model = AutoModel.from_config(AutoConfig.for_model(kind, **options))
    return Case(kind, First(model, ["pixel_values"]), (torch.randn(1, 3, size, size),), ["inputs_0"])


def wav2vec2():
    config = AutoConfig.for_model("wav2vec2", **{k: v for k, v in SMALL.items()}, conv_dim=(16, 16), conv_kernel=(10, 3), conv_stride=(5, 2),
                                  num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2)
    return Case("wav2vec2", First(AutoModel.from_config(config), ["input_values"]), (torch.randn(1, 1600),), ["inputs_0"])


def clip():
    text = SMALL | {"max_position_embeddings": 16, "projection_dim": 16}
    picture = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "image_size": 32, "patch_size": 8}
    config = AutoConfig.for_model("clip", text_config=text, vision_config=picture, projection_dim=16)
    args = (torch.randint(3, 90, (2, 7)), torch.randn(2, 3, 32, 32), torch.ones(2, 7, dtype=torch.int64))
    return Case("clip", First(AutoModel.from_config(config), ["input_ids", "pixel_values", "attention_mask"]), args,
                ["inputs_0", "inputs_1", "inputs_2"])


def zoo():
    """Name and maker of each."""
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    makers = {name: lambda name=name: vision(name) for name in [*VISION, *DENSE]}
    makers |= {kind: lambda kind=kind, options=options: encoder(kind, options) for kind, options in ENCODERS.items()}
    makers |= {kind: lambda kind=kind, options=options: decoder(kind, options) for kind, options in DECODERS.items()}
    makers |= {name: lambda name=name, options=options: detector(name, options) for name, options in DETECTORS.items()}
    makers |= {"t5": t5, "whisper": whisper, "wav2vec2": wav2vec2, "clip": clip,
               "vit": lambda: pictures("vit", 32, image_size=32, patch_size=8, **small),
               "dinov2": lambda: pictures("dinov2", 28, image_size=28, patch_size=14, **small),
               "segformer": lambda: pictures("segformer", 64, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1]),
               "resnet": lambda: pictures("resnet", 64, embedding_size=8, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1])}
    return makers


def write_one(out, name, make):
    torch.manual_seed(20)
    try:
        (write_torchscript if name in DETECTORS else write_exported)(out, make())
        return None
    except Exception as error:
        shutil.rmtree(out / name, ignore_errors=True)
        traceback.print_exc()
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300]


def stamp():
    digest = hashlib.sha256((torch.__version__ + transformers.__version__ + torchvision.__version__).encode())
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def main():
    warnings.filterwarnings("ignore")
    out, names = Path(sys.argv[1]).resolve(), sys.argv[2:]
    if not names and (out / "stamp").is_file() and (out / "stamp").read_text() == stamp():
        return
    if not names:
        shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    failed, made = {}, []
    for name, make in zoo().items():
        if names and name not in names:
            continue
        shutil.rmtree(out / name, ignore_errors=True)
        if error := write_one(out, name, make):
            failed[name] = error
        else:
            made.append(name)
    (out / "zoo.json").write_text(json.dumps({"made": made, "failed": failed}, indent=1) + "\n")
    if not names:
        (out / "stamp").write_text(stamp())


if __name__ == "__main__":
    main()
