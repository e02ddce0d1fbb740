"""Programs that between them use every kind of argument, output and sub-graph that the torch engine supports."""

import math
from dataclasses import dataclass, field
from typing import Dict, List, NamedTuple, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import nn
from torch._higher_order_ops.map import map as map_op
from torch._higher_order_ops.scan import scan as scan_op
from torch._higher_order_ops.while_loop import while_loop
from torch.export import Dim


@dataclass
class Case:
    name: str
    module: nn.Module
    args: tuple
    names: list  # of the positional arguments, as the engine calls them
    kwargs: dict = field(default_factory=dict)
    shapes: object = None
    run_args: tuple = None  # what is compared; by default what it was exported with
    run_kwargs: dict = None
    tolerance: float = 0.0
    bf16: bool = False  # compared under torch.autocast, too
    grad: bool = False  # exported with gradients, as most users do without knowing
    decomposed: bool = False  # run_decompositions() after the export


class Mlp(nn.Module):
    """Keyword arguments and a dict of outputs."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 16)
        self.second = nn.Linear(16, 3)

    def forward(self, x, *, scale):
        hidden = F.silu(self.first(x)) * scale
        return {"logits": self.second(hidden), "hidden": hidden}


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(inplace=True),
            nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.GELU(), nn.MaxPool2d(2), nn.Dropout(0.3),
            nn.ConvTranspose2d(8, 4, 2, stride=2), nn.Upsample(scale_factor=2.0, mode="bilinear"), nn.AdaptiveAvgPool2d(2),
            nn.Flatten(), nn.Linear(16, 5), nn.Hardswish())

    def forward(self, x):
        return self.body(x)


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(8, 5, batch_first=True)

    def forward(self, x):
        states, (hidden, cell) = self.lstm(x)
        return self.gru(states)[0], (hidden, cell)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(50, 8, padding_idx=0)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True, norm_first=True)

    def forward(self, ids, mask=None):
        hidden = self.layer(self.embedding(ids), src_key_padding_mask=mask)
        query = hidden.unflatten(-1, (2, 4)).transpose(1, 2)
        return F.scaled_dot_product_attention(query, query, query, is_causal=True), hidden.mean(dim=[1], keepdim=False)


class GroupedAttention(nn.Module):
    """Heads of the query share those of the key: one for all, and one for two."""

    def forward(self, query, one, two):
        attend = F.scaled_dot_product_attention
        return attend(query, one, one), attend(query, two, two, enable_gqa=True)


class Cond(nn.Module):
    def forward(self, x):
        def positive(x):
            return x.sin() + 1

        def negative(x):
            return x.cos() - 1

        return torch.cond(x.sum() > 0, positive, negative, (x,))


class CondOnSize(nn.Module):
    def forward(self, x):
        return torch.cond(x.shape[0] > 4, lambda x: x + 1, lambda x: x * 2, (x,))


class Loop(nn.Module):
    def forward(self, i, x):
        return while_loop(lambda i, x: i < 5, lambda i, x: (i + 1, x * 1.5), (i, x))


class Mapped(nn.Module):
    def forward(self, xs, y):
        return map_op(lambda x, y: x.exp() + y.sum(), xs, y)


class Scanned(nn.Module):
    def forward(self, carry, xs):
        return scan_op(lambda carry, x: (carry + x, (carry * x).clone()), carry, xs)


class NoGrad(nn.Module):
    def forward(self, x):
        with torch.no_grad():
            y = x + 1
        return y * 2


class GradModes(nn.Module):
    """Exported with gradients, so each `no_grad` is a sub-graph."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        with torch.no_grad():
            angles = torch.arange(4.0) * x.shape[0]
            turned = torch.cat([angles.cos(), angles.sin()])
        y = self.linear(x)
        with torch.enable_grad():
            with torch.no_grad():
                y = y * 2
        return y + turned[:4], turned


class Autocast(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.linear(x)


class Symbols(nn.Module):
    """Arithmetic on sizes, integers, floats and booleans as values."""

    def forward(self, x, n: int):
        batch = x.shape[0]
        third = (batch * 2 + 1) // 3
        wide = torch.sym_max(batch, 4)
        rest = batch % 3
        root = torch.sym_float(batch) ** 0.5
        scaled = x * torch.sym_float(batch) / 3
        return (x.new_zeros(third, wide + rest), x[: batch - 1], scaled, x.reshape(batch, -1, 1), x + n,
                torch.full((batch // 2 + 1,), batch), third + wide, x.repeat(n, 1), root, -batch,
                torch.sym_min(batch, 3) * 1.5, x.mean(0) * (1 / batch))


class Items(nn.Module):
    """Values read out of tensors while the program runs."""

    def forward(self, x, i):
        n = i.item()
        torch._check(n >= 0)
        torch._check(n < x.shape[0])
        return x[n], torch.nonzero(x), x.sum().item()


class Indexing(nn.Module):
    """None among the indices, ellipsis, masks, writes through indices, and operators that give lists."""

    def forward(self, x, i):
        values, order = torch.sort(x, dim=1, descending=True)
        best = torch.topk(x, 2)
        parts = torch.chunk(x, 2, 0)
        written = x.clone()
        written[:, i] = 0
        return (x[:, i], x[i, None, ..., 0], written, parts[1], values, order, best.values, best.indices, torch.unbind(x)[2],
                torch.split(x, [1, 3], dim=0)[1], x.max(), x.masked_fill(x > 0, -1.0), torch.where(x > 0, x, 0.0))


class BufferMutation(nn.Module):
    """A prediction sees its own writes; the next one starts from the saved state."""

    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros(3))
        self.register_buffer("table", torch.arange(6.0).reshape(2, 3), persistent=False)

    def forward(self, x):
        self.count.add_(x)
        self.count[0] = 7.0
        self.table.view(-1)[1:3].mul_(x.sum())
        return self.count * x, self.table + 0


class InputMutation(nn.Module):
    def forward(self, x):
        x.mul_(2)
        return x.view(-1) + 1


class Dtypes(nn.Module):
    """Type promotion with Python numbers, conversions, and every dtype that crosses the door."""

    def forward(self, f32, i64, i32, u8, flag, f16, f64):
        return {"weak": i64 + 2, "weaker": i32 * 2.5, "half": f16 * 3, "double": f64 / 3, "mixed": f32 + i64,
                "logic": flag & (i64 > 1), "bytes": u8 + 1, "to": f32.to(torch.bfloat16), "int": f32.to(torch.int8),
                "short": i64.to(torch.int16), "shift": i64 << 2, "floor": i64 // 2, "true": i64 / 2, "rsub": 1 - f32,
                "pow": 2**f32, "floatdiv": torch.div(i64, 2, rounding_mode="trunc"), "any": flag.any(), "eq": f32 == 1}


class Bf16(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(32, 16).to(torch.bfloat16)
        self.norm = nn.LayerNorm(16).to(torch.bfloat16)

    def forward(self, x):
        return self.norm(self.linear(x))


class Creation(nn.Module):
    """Factories with dtype, layout, device and memory format; constants inside of the program."""

    def __init__(self):
        super().__init__()
        self.register_buffer("tall", torch.randn(4, 6).t())  # strides that are not contiguous

    def forward(self, x):
        steps = torch.arange(0, x.shape[-1], 2, dtype=torch.float64, device=x.device)
        constant = torch.tensor([1.0, 2.0, 3.0]) + torch.tensor(2)
        channels = x.to(memory_format=torch.channels_last)
        return (steps, constant, channels * 2, torch.linspace(0, 1, 5), torch.eye(3, dtype=torch.int32), self.tall @ self.tall.t(),
                torch.ones_like(x, dtype=torch.bool), torch.empty(0, 3).to(x.device), x.new_full((2,), math.inf),
                torch.tril(torch.ones(3, 3)), torch.einsum("bchw,bcxw->bhx", x, x))


class Views(nn.Module):
    def forward(self, x):
        y = x.permute(2, 0, 1)[::1, 1:, :2]
        return (y, y.contiguous().view(-1), x.unfold(1, 2, 1), x.expand(2, *x.shape), x.transpose(0, 1).flip(0), x.roll(1, 0),
                x.as_strided((2, 2), (1, 2)), torch.stack([x, x], -1), x.squeeze(), x.narrow(2, 1, 2), x.diagonal(dim1=0, dim2=1))


class Pair(NamedTuple):
    left: torch.Tensor
    right: torch.Tensor


torch.utils._pytree._register_namedtuple(Pair, serialized_type_name="corpus.Pair")


class Parity(nn.Module):
    """A branch on a size, which export decides and writes down as a guard."""

    def forward(self, x, flag):
        return x * 2 if x.shape[1] % 2 == 0 and flag else x * 3


class Trees(nn.Module):
    """Nested inputs, *args and **kwargs; nested outputs with None, numbers and text."""

    def forward(self, x, *rest, flag=True, scale=2, opts=None, **more):
        return {"a": x * scale, "pair": Pair(x, rest[0]), "list": [x + 1, (opts["p"], more["extra"])], "none": None, "i": 3,
                "f": 2.5, "flag": flag, "text": "hello", "size": x.shape[0]}


class SharedWeights(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 4)
        self.head = nn.Linear(4, 11, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids):
        return self.head(self.embedding(ids))


class PassThrough(nn.Module):
    """Outputs that are inputs, weights, or given twice."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3))

    def forward(self, x):
        y = F.dropout(x, 0.5, self.training)
        return x, self.weight, y, y.relu(), y.relu()


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(1, 4, 3, padding=1)
        self.deep = nn.Conv2d(4, 8, 3, padding=1)
        self.up = nn.Conv2d(12, 1, 3, padding=1)
        self.norm = nn.GroupNorm(2, 8)

    def forward(self, x):
        first = F.relu(self.down(x))
        second = self.norm(F.relu(self.deep(F.avg_pool2d(first, 2))))
        wide = F.interpolate(second, size=first.shape[-2:], mode="nearest")
        return torch.sigmoid(self.up(torch.cat([first, wide], 1)))


class MoreDtypes(nn.Module):
    """Dtypes that few operators take: unsigned, complex, eight-bit floats."""

    def forward(self, u16, u32, u64, c64, f32):
        return {"u16": u16.to(torch.int32) + 1, "u32": u32.view(torch.int32).to(torch.int64), "u64": u64.to(torch.int64) * 2, "u16_same": u16.clone(),
                "conj": c64 * (2 - 1j), "abs": c64.abs(), "complex": torch.complex(f32, f32 * 2), "c128": c64.to(torch.complex128),
                "f8": f32.to(torch.float8_e4m3fn).to(torch.float32), "f8b": f32.to(torch.float8_e5m2).to(torch.bfloat16),
                "real": torch.view_as_real(c64)}


class RareDtypes(nn.Module):
    """The rest of schema.py's dtypes, which only convert: as weights, as targets, and as a constant's."""

    def __init__(self):
        super().__init__()
        numbers = torch.tensor([0.5, 1.0, 2.0, 4.0])
        for name in ("float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu", "float8_e4m3fn", "float8_e5m2"):
            self.register_buffer(name, numbers.to(getattr(torch, name)))
        self.register_buffer("complex32", torch.view_as_complex(torch.tensor([[1.0, 2.0], [3.0, -4.0]]).half()))
        self.register_buffer("complex128", torch.tensor([1 + 2j, -3j], dtype=torch.complex128))
        self.register_buffer("uint16", torch.tensor([1, 65535]).to(torch.uint16))

    def forward(self, x):
        floats = self.float8_e4m3fnuz.to(x.dtype) + self.float8_e5m2fnuz.to(x.dtype) + self.float8_e4m3fn.to(x.dtype) + self.float8_e5m2.to(x.dtype)
        return (x * floats, self.float8_e8m0fnu.to(torch.float32), torch.view_as_real(self.complex32), self.complex128 * 2, self.uint16.to(torch.int64),
                x.to(torch.float8_e4m3fnuz).to(torch.float32), x.to(torch.float8_e5m2fnuz).to(torch.float32))


class SymbolFunctions(nn.Module):
    """What Python computes of sizes."""

    def forward(self, x, y):
        a, b = x.shape[0], y.shape[0]
        small = torch.sym_min(a, b)
        part = math.trunc(a / 4) + b // 3 + 2
        root = torch.sym_int(torch.sym_sqrt(torch.sym_float(a)))
        chosen = torch.sym_ite((a > b) & (a > 5), a, b)
        return (x.new_zeros(part), x.new_zeros(root), x.new_zeros(chosen), x.new_zeros(a // 2 + b % 3, small), x.new_full((2,), a / b),
                x.new_zeros(a * b - a), a**2, torch.cat([x.sum(1), y])[: a + b - 1], torch.sym_max(a, 7) * 2.5, -small)


class Arguments(nn.Module):
    """Kinds of arguments: strings, lists of floats, optional tensors among tensors, numbers for tensors, memory formats."""

    def forward(self, x, y):
        wide = torch.ops.aten.upsample_bilinear2d.vec(x, None, False, [2.0, 1.5])
        product = torch.einsum("ij,kj->ik", y, y)
        clamped = torch.clamp(y, min=torch.tensor(-0.5))
        bins = torch.bucketize(y, torch.tensor([-1.0, 0.0, 1.0]))
        quantile = torch.histc(y, bins=4, min=-2, max=2)
        padded = F.pad(x, (1, 1, 2, 0), mode="reflect")
        return (wide, product, clamped, bins, quantile, padded, torch.linalg.vector_norm(y, 2.0, [1]), y.to(memory_format=torch.contiguous_format),
                torch.special.logit(torch.sigmoid(y), 1e-6), F.layer_norm(y, (4,)), torch.index_put(y, (torch.tensor([0]),), torch.tensor(9.0)),
                x.to(memory_format=torch.channels_last) * 2, y.round(decimals=2), torch.gather(y, 1, torch.tensor([[0], [1], [3]])))


class OptionalOutputs(nn.Module):
    """A list of booleans, and results of which one is not computed."""

    def forward(self, grad, x):
        mean, rstd = x.mean(1, keepdim=True), torch.rsqrt(x.var(1, unbiased=False, keepdim=True) + 1e-5)
        first, second, third = torch.ops.aten.native_layer_norm_backward(grad, x, [4], mean, rstd, None, None, [True, False, False])
        return first


class Folded(nn.Module):
    """What depends on weights alone."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3))
        self.register_buffer("seen", torch.zeros(3))

    def forward(self, x):
        scaled = (self.weight * self.weight.abs().amax()).t().contiguous().t()
        mask = torch.arange(3, dtype=torch.float32) + torch.ones(3)
        before = self.seen + 1
        self.seen.add_(1)
        return x @ scaled * mask, before, self.seen + 1, scaled[0], torch.zeros(2, 3).fill_(3.0)


class Nested(nn.Module):
    """Sub-graphs in sub-graphs, over values of the graph around them."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x):
        def outer(x):
            return torch.cond(x.sum() > 1, lambda x: self.linear(x) + 1, lambda x: x * 3, (x,))

        def other(x):
            return map_op(lambda row: row * 2, torch.stack([x, x])).sum(0)

        return torch.cond(x.mean() > -10, outer, other, (x,))


def exported_cases():
    batch = Dim("batch", min=2, max=64)
    free = Dim.DYNAMIC
    randn, ids = torch.randn, torch.randint
    return [
        Case("mlp", Mlp(), (randn(4, 6),), ["x"], {"scale": torch.tensor(1.5)}, {"x": {0: batch}, "scale": None}, (randn(7, 6),),
             {"scale": torch.tensor(0.25)}, bf16=True),
        Case("cnn", Cnn(), (randn(2, 3, 16, 16),), ["x"], shapes={"x": {0: batch}}, run_args=(randn(3, 3, 16, 16),), bf16=True),
        Case("lstm", Lstm(), (randn(2, 5, 3),), ["x"]),
        Case("attention", Attention(), (ids(1, 50, (2, 7)),), ["ids"], tolerance=2e-6),
        Case("grouped_attention", GroupedAttention(), (randn(2, 4, 5, 8), randn(2, 1, 5, 8), randn(2, 2, 5, 8)), ["query", "one", "two"], tolerance=2e-6),
        Case("cond_true", Cond(), (torch.ones(3),), ["x"]),
        Case("cond_false", Cond(), (torch.ones(3),), ["x"], run_args=(-torch.ones(3),)),
        Case("cond_on_size", CondOnSize(), (randn(3),), ["x"], shapes={"x": {0: free}}, run_args=(randn(9),)),
        Case("while_loop", Loop(), (torch.tensor(0), randn(3)), ["i", "x"]),
        Case("map", Mapped(), (randn(3, 4), randn(2)), ["xs", "y"]),
        Case("scan", Scanned(), (randn(4), randn(3, 4)), ["carry", "xs"]),
        Case("no_grad", NoGrad(), (randn(3),), ["x"]),
        Case("grad_modes", GradModes(), (randn(3, 4),), ["x"], shapes={"x": {0: batch}}, grad=True, run_args=(randn(5, 4),)),
        Case("autocast", Autocast(), (randn(2, 8),), ["x"]),
        Case("symbols", Symbols(), (randn(6, 4), 3), ["x", "n"], shapes={"x": {0: Dim("batch", min=4, max=64)}, "n": free},
             run_args=(randn(11, 4), 5)),
        Case("items", Items(), (randn(5), torch.tensor(2)), ["x", "i"], run_args=(randn(5), torch.tensor(4))),
        Case("indexing", Indexing(), (randn(4, 5), torch.tensor([0, 2])), ["x", "i"]),
        Case("buffer_mutation", BufferMutation(), (randn(3),), ["x"]),
        Case("input_mutation", InputMutation(), (randn(3),), ["x"]),
        Case("dtypes", Dtypes(), (randn(3), torch.tensor([1, -2, 3]), torch.tensor([1, 2, 3], dtype=torch.int32),
                                  torch.tensor([1, 2, 255], dtype=torch.uint8), torch.tensor([True, False, True]), randn(3).half(),
                                  randn(3).double()), ["f32", "i64", "i32", "u8", "flag", "f16", "f64"]),
        Case("bf16", Bf16(), (randn(3, 32).to(torch.bfloat16),), ["x"]),
        Case("creation", Creation(), (randn(1, 2, 4, 6),), ["x"]),
        Case("views", Views(), (randn(2, 3, 4),), ["x"]),
        Case("parity", Parity(), (randn(2, 6), True), ["x", "flag"], shapes={"x": {1: Dim.AUTO}, "flag": None}, run_args=(randn(2, 8), True)),
        Case("trees", Trees(), (randn(3), randn(2)), ["x", "rest_0"], {"opts": {"p": randn(1)}, "extra": randn(2)}),
        Case("shared_weights", SharedWeights(), (ids(0, 11, (2, 3)),), ["ids"]),
        Case("pass_through", PassThrough(), (randn(3),), ["x"]),
        Case("unet", UNet(), (randn(2, 1, 8, 12),), ["x"], shapes={"x": {0: batch}}, run_args=(randn(5, 1, 8, 12),), bf16=True),
        Case("more_dtypes", MoreDtypes(), (torch.tensor([1, 2, 65535]).to(torch.uint16), torch.tensor([1, 7]).to(torch.uint32),
                                           torch.tensor([1, 9]).to(torch.uint64), torch.tensor([1 + 2j, -3j]), randn(4)),
             ["u16", "u32", "u64", "c64", "f32"]),
        Case("rare_dtypes", RareDtypes(), (torch.tensor([0.25, 1.0, -3.0, 8.0]),), ["x"]),
        Case("symbol_functions", SymbolFunctions(), (randn(6, 4), randn(5)), ["x", "y"],
             shapes={"x": {0: Dim("a", min=4, max=100)}, "y": {0: Dim("b", min=4, max=100)}}, run_args=(randn(13, 4), randn(8))),
        Case("arguments", Arguments(), (randn(1, 2, 4, 6), randn(3, 4)), ["x", "y"]),
        Case("optional_outputs", OptionalOutputs(), (randn(3, 4), randn(3, 4)), ["grad", "x"]),
        Case("folded", Folded(), (randn(2, 4),), ["x"], shapes={"x": {0: batch}}),
        Case("nested", Nested(), (randn(3),), ["x"]),
    ]


class ScriptTuple(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor, times: int = 2) -> Tuple[torch.Tensor, List[torch.Tensor]]:
        y = self.linear(x)
        for _ in range(times):
            if bool(y.sum() > 0):
                y = y * 0.5
            else:
                y = y + 1.0
        return y, [x, y]


class ScriptDict(nn.Module):
    def forward(self, x: torch.Tensor, mask: Optional[torch.Tensor] = None) -> Dict[str, torch.Tensor]:
        result = {"twice": x * 2}
        if mask is not None:
            result["masked"] = x.masked_fill(mask, 0.0)
        return result


def torchscript_cases():
    return [
        Case("script_tensor", Cnn(), (torch.randn(2, 3, 16, 16),), ["x"], tolerance=1e-6),
        Case("script_tuple", ScriptTuple(), (torch.randn(2, 4), 3), ["x", "times"]),
        Case("script_dict", ScriptDict(), (torch.randn(3),), ["x"], {"mask": torch.tensor([True, False, True])}),
    ]
