"""The nearest that Python comes to a zygote: torch is imported, each line on standard input forks a child that
loads the model, answers and exits."""

import os
import sys

import tokenizers  # noqa: F401  imported before the fork, as torch is
import torch

from minilm import Embedder

torch.set_num_threads(1)
print("ready", flush=True)
for line in sys.stdin:
    if os.fork() == 0:
        print(len(Embedder().embed(line.strip())), flush=True)
        os._exit(0)
    os.wait()
