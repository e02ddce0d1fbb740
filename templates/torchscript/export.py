#!/usr/bin/env python3
"""Trains a small network and writes what mrun.yaml names: model.pt (TorchScript) and labels.txt; and
expected/inner.json, the reference. Usage: python export.py
"""

import json
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
LABELS = ["inner", "outer"]


class Rings(torch.nn.Module):
    """On which of two noisy rings does a point lie? A network with a loop, which scripting keeps as it is."""

    def __init__(self, width: int = 16, rounds: int = 3):
        super().__init__()
        self.rounds = rounds
        self.enter = torch.nn.Linear(2, width)
        self.again = torch.nn.Linear(width, width)
        self.leave = torch.nn.Linear(width, len(LABELS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(self.enter(x))
        for _ in range(self.rounds):
            h = h + torch.tanh(self.again(h))
        return self.leave(h)


def rings(count):
    label = torch.randint(0, 2, (count,))
    angle = torch.rand(count) * 2 * torch.pi
    radius = 1.0 + label + 0.15 * torch.randn(count)
    return torch.stack((radius * angle.cos(), radius * angle.sin()), 1), label


def main():
    torch.manual_seed(1)
    model = Rings()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(300):
        points, label = rings(512)
        loss = torch.nn.functional.cross_entropy(model(points), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    points, label = rings(10_000)
    with torch.inference_mode():
        right = (model(points).argmax(1) == label).float().mean().item()
        scores = model(torch.tensor([[0.6, 0.8]])).softmax(1)[0]

    torch.jit.save(torch.jit.script(model), HERE / "model.pt")
    (HERE / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS))
    (HERE / "expected").mkdir(exist_ok=True)
    (HERE / "expected" / "inner.json").write_text(json.dumps([{"label": LABELS[0], "score": scores[0].item()}]) + "\n")
    print(f"wrote model.pt, labels.txt, expected/inner.json; right for {right:.1%} of 10,000 new points")


if __name__ == "__main__":
    main()
