"""Programs whose inputs and outputs are more than tensors: dataclasses, sizes that depend on each other, and TorchScript's
lists, tuples, dicts and state."""

from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

import torch
import torch.ao.quantization.fx._decomposed  # registers quantized_decomposed
from torch import nn
from torch._higher_order_ops.associative_scan import associative_scan
from torch.export import Dim

from corpus_cases import Case


@dataclass
class Detections:
    logits: torch.Tensor
    boxes: torch.Tensor


@dataclass
class Settings:
    scale: torch.Tensor
    shift: torch.Tensor
    mask: Optional[torch.Tensor] = None


torch.export.register_dataclass(Detections, serialized_type_name="corpus.Detections")
torch.export.register_dataclass(Settings, serialized_type_name="corpus.Settings")


class Dataclasses(nn.Module):
    def forward(self, x, settings):
        y = x * settings.scale + settings.shift
        return {"first": Detections(y, y.sum(0)), "rest": [Detections(y + 1, y + 2)]}


class Derived(nn.Module):
    """Sizes that are multiples of one symbol, and one more than another's."""

    def forward(self, x, y, z):
        return x.view(2, -1).sum(0) + y, torch.cat([x, z])


class ScalarLists(nn.Module):
    """Lists of numbers where LibTorch wants scalars, and an operator that gives a tensor and a list."""

    def forward(self, x, y):
        wide = torch.ops.aten._foreach_add.ScalarList([x, y], [1.5, 2.0])
        whole = torch.ops.aten._foreach_mul.ScalarList([x, y], [2, 3])
        counts, edges = torch.ops.aten.histogramdd.default(y, [3, 2], [0.0, 1.0, 0.0, 1.0])
        return wide, whole, counts, edges


class Vmapped(nn.Module):
    """Functions that are mapped over an axis, one inside of another."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3))

    def forward(self, x, y):
        inner = torch.vmap(lambda row: torch.vmap(lambda a: a * 2)(row) + self.weight)(x)
        rows, same = torch.vmap(lambda row: (row.cumsum(0), self.weight * 2), out_dims=(0, 1))(y)
        return inner, rows, same, associative_scan(lambda a, b: a + b, x, 0, combine_mode="generic")


class Quantized(nn.Module):
    """Every operator of quantized programs that Python alone registers."""

    def forward(self, x, half):
        ops = torch.ops.quantized_decomposed
        i8 = ops.quantize_per_tensor.default(x, 0.1, 3, -128, 127, torch.int8)
        back = ops.dequantize_per_tensor.default(i8, 0.1, 3, -128, 127, torch.int8)
        scale, zero = ops.choose_qparams.tensor(x, -128, 127, 1e-7, torch.int8)
        even_scale, even_zero = ops.choose_qparams_symmetric.tensor(x, 0, 255, 1e-7, torch.uint8)
        least, most = torch.tensor(-128), torch.tensor(127)
        chosen = ops.quantize_per_tensor.tensor(x, scale, zero, -128, 127, torch.int8)
        chosen2 = ops.quantize_per_tensor.tensor2(half, scale, zero, least, most, torch.int8)
        scales, zeros = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0, 1, -2])
        channels = ops.quantize_per_channel.default(x, scales, zeros, 0, -128, 127, torch.int8)
        token_scales, token_zeros = ops.choose_qparams_per_token.default(x, torch.int8)
        odd_scales, odd_zeros = ops.choose_qparams_per_token_asymmetric.default(x, torch.int8)
        tokens = ops.quantize_per_token.default(x, odd_scales, odd_zeros, -128, 127, torch.int8)
        group_scales = torch.tensor([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
        groups = ops.quantize_per_channel_group.default(x, group_scales, torch.zeros(3, 2), -8, 7, torch.int8, 2)
        return (i8, back, scale, zero, even_scale, even_zero, chosen, chosen2,
                ops.dequantize_per_tensor.tensor(chosen, scale, zero, -128, 127, torch.int8),
                ops.dequantize_per_tensor.tensor2(chosen, scale, zero, least, most, torch.int8, out_dtype=torch.float64),
                channels, ops.dequantize_per_channel.default(channels, scales, zeros, 0, -128, 127, torch.int8),
                ops.dequantize_per_channel.default(channels, scales, None, 0, -128, 127, torch.int8), token_scales, token_zeros, odd_scales, odd_zeros,
                tokens, ops.dequantize_per_token.default(tokens, odd_scales, odd_zeros, -128, 127, torch.int8, torch.float32), groups,
                ops.dequantize_per_channel_group.default(groups, group_scales, None, -8, 7, torch.int8, 2, torch.float32),
                ops.convert_element_type.no_fuse(x, torch.float64))


def input_cases():
    randn = torch.randn
    half = Dim("half", min=2, max=8)
    return [
        Case("dataclasses", Dataclasses(), (randn(2, 3), Settings(randn(3), randn(3))), ["x", "settings"]),
        Case("derived", Derived(), (randn(6), randn(3), randn(4)), ["x", "y", "z"], shapes={"x": {0: 2 * half}, "y": {0: half}, "z": {0: half + 1}},
             run_args=(randn(10), randn(5), randn(6))),
        Case("vmap", Vmapped(), (randn(4, 3), randn(5, 4)), ["x", "y"]),
        Case("quantized", Quantized(), (randn(3, 4), randn(3, 4).half()), ["x", "half"]),
        Case("scalar_lists", ScalarLists(), (randn(3), randn(2, 2)), ["x", "y"]),
    ]


class ScriptNested(nn.Module):
    def forward(self, xs: List[torch.Tensor], pair: Tuple[torch.Tensor, int], by_name: Dict[str, torch.Tensor], sizes: List[int],
                more: Optional[torch.Tensor], scale: float = 0.5) -> Tuple[torch.Tensor, Dict[str, torch.Tensor]]:
        total = pair[0] * pair[1]
        for x in xs:
            total = total + x
        if more is not None:
            total = total + more
        result: Dict[str, torch.Tensor] = {}
        for name, value in by_name.items():
            result[name] = value * scale + float(len(sizes) + sizes[0])
        return total, result


class ScriptState(nn.Module):
    """Counts its runs, in a tensor, a number and a list; a prediction must not see the ones before."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(3))
        self.runs = 0
        self.linear = nn.Linear(3, 3)
        self.history: List[torch.Tensor] = [torch.zeros(3)]

    def forward(self, x: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor, int, int]:
        self.seen.add_(1)
        self.runs += 1
        self.history.append(x)
        return self.linear(x) + self.seen, self.seen * 1, self.runs, len(self.history)


class ScriptSilent(nn.Module):
    """Writes into what freezing takes for constants, since the operators' schemas say nothing of it."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
        self.register_buffer("state", torch.ones(3))

    def forward(self, x: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        before = self.weight * 2
        given = self.weight.type_as(x)
        doubled = torch.atleast_1d(self.state)
        for _ in range(2):
            given += x.sum()
            doubled.mul_(2.0)
        return before, self.weight * 1.5, doubled + given


class ScriptFrozen(nn.Module):
    """Frozen by its author: what is written is a constant of the code."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        given = self.weight.type_as(x)
        given += x.sum()
        return given * 1.5


def script_cases():
    randn = torch.randn
    return [
        Case("script_nested", ScriptNested(), ([randn(3), randn(3), randn(3)], (randn(3), 4), {"a": randn(2), "b.c": randn(2)}, [7, 8], None),
             ["xs", "pair", "by_name", "sizes", "more"]),
        Case("script_state", ScriptState(), (randn(3),), ["x"]),
        Case("script_silent", ScriptSilent(), (randn(3),), ["x"]),
        Case("script_silent_frozen", torch.jit.freeze(torch.jit.script(ScriptFrozen().eval())), (randn(3),), ["x"]),
    ]
