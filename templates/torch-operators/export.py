#!/usr/bin/env python3
"""Writes model.pt2, a network that uses the operator of operators.so, and expected/first.json.

Usage: python3 export.py, after operators.so was built.
"""

import json
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
torch.ops.load_library(str(HERE / "operators.so"))


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 3)

    def forward(self, x):
        return torch.ops.mylib.scale_shift(self.linear(x), 2.0, -1.0)


def main():
    torch.manual_seed(1)
    net = Net().eval()
    batch = torch.export.Dim("batch", min=1, max=64)
    with torch.no_grad():
        program = torch.export.export(net, (torch.ones(2, 4),), dynamic_shapes={"x": {0: batch}})
        expected = net(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))[0]
    torch.export.save(program, HERE / "model.pt2")
    (HERE / "expected").mkdir(exist_ok=True)
    (HERE / "expected" / "first.json").write_text(json.dumps(expected.tolist()) + "\n")
    print("wrote model.pt2 and expected/first.json")


if __name__ == "__main__":
    main()
