"""Programs that write into what an operator gave back without a copy: weights, constants and inputs must stay as they were."""

import torch
from torch import nn

from corpus_cases import Case


def give_back(x):
    """Each gives back its argument, or a view of it, when there is nothing to do: most have no alias in their schema."""
    return {
        "type_as": lambda t: t.type_as(x),
        "to": lambda t: t.to(x.dtype),
        "contiguous": lambda t: t.contiguous(),
        "reshape": lambda t: t.reshape(-1),
        "expand": lambda t: t.expand(4),
        "expand_as": lambda t: t.expand_as(x),
        "detach": lambda t: t.detach(),
        "atleast_1d": lambda t: torch.atleast_1d(t),
        "atleast_2d": lambda t: torch.atleast_2d(t)[0],
        "atleast_3d": lambda t: torch.atleast_3d(t)[0, :, 0],
        "broadcast_tensors": lambda t: torch.broadcast_tensors(t, x)[0],
        "meshgrid": lambda t: torch.meshgrid(t, indexing="ij")[0],
        "einsum": lambda t: torch.einsum("i->i", t),
        "einsum_view": lambda t: torch.einsum("ij->ji", t.view(2, 2))[0],
        "conj_physical": lambda t: torch.conj_physical(t),
        "cartesian_prod": lambda t: torch.cartesian_prod(t),
        "sum_to_size": lambda t: t.sum_to_size(4),
        "to_dense": lambda t: t.to_dense(),
        "dequantize": lambda t: t.dequantize(),
        "flatten": lambda t: t.flatten(),
        "ravel": lambda t: t.ravel(),
        "unsafe_chunk": lambda t: torch.unsafe_chunk(t, 2)[0],
        "unsafe_split": lambda t: torch.ops.aten.unsafe_split.Tensor(t, 2)[1],
        "unsafe_view": lambda t: torch.ops.aten._unsafe_view.default(t, [2, 2])[1],
        "positive": lambda t: torch.positive(t),
        "real": lambda t: torch.real(t),
        "resolve_conj": lambda t: t.resolve_conj(),
        "view_as": lambda t: t.view_as(x),
        "squeeze": lambda t: t.squeeze(),
        "pad_sequence": lambda t: nn.utils.rnn.pad_sequence([t])[:, 0],
        "dropout": lambda t: torch.dropout(t, 0.0, True),
        "split": lambda t: t.split([1, 3])[1],
        "movedim": lambda t: t.view(2, 2).movedim(0, 1)[0],
        "unbind": lambda t: t.view(2, 2).unbind(1)[1],
    }


class GivenBack(nn.Module):
    """Reads the source before and after, so that a write that went elsewhere shows, too."""

    def __init__(self, operator):
        super().__init__()
        self.operator = operator
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0, 3.0, 4.0]))
        self.register_buffer("state", torch.tensor([5.0, 6.0, 7.0, 8.0]))

    def forward(self, x):
        constant = torch.tensor([0.5, 1.5, 2.5, 3.5])
        results = []
        for source in (self.weight, self.state, constant, constant * 2, x):
            before = source * 2
            given = give_back(x)[self.operator](source)
            given.add_(x.sum())
            results += [before, given + 0, source * 2]
        return results


class Anchors(nn.Module):
    """What detection heads do at the image's size."""

    def forward(self, x):
        rows, columns = torch.meshgrid(torch.arange(x.shape[1]), torch.arange(x.shape[2]), indexing="ij")
        grid = torch.stack((columns, rows), -1).view(-1, 2).type_as(x)
        grid *= 8
        grid += 0.5
        return grid + x.mean()


class FoldedBeforeWrite(nn.Module):
    """A constant expression that is read after its source was written through a name the schema does not know."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.arange(6.0).reshape(2, 3))

    def forward(self, x):
        table = self.weight.t()
        torch.einsum("ij,ij->ij", self.weight, torch.ones(2, 3)).mul_(x.sum())
        torch.broadcast_tensors(self.weight, x)[0].mul_(x.sum())
        return table * 2, self.weight.sum(0)


class NestedWrite(nn.Module):
    """The write stands in a sub-graph's result."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, x):
        chosen = torch.cond(x.sum() > 0, lambda x: x * 2, lambda x: x - 1, (x,))
        shifted = self.weight.type_as(chosen)
        shifted += chosen
        return shifted, self.weight * 1


class TrainedNorm(nn.Module):
    """Running statistics that the schema does not call written."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("var", torch.ones(3))

    def forward(self, x):
        y = torch.batch_norm(x, None, None, self.mean, self.var, True, 0.5, 1e-5, False)
        return y, self.mean * 1, self.var * 1


def alias_cases():
    x = torch.tensor([1.0, -2.0, 3.0, 0.25])
    cases = [Case(f"alias_{name}", GivenBack(name), (x,), ["x"]) for name in give_back(x)]
    return cases + [
        Case("alias_anchors", Anchors(), (torch.rand(1, 3, 4),), ["x"]),
        Case("alias_folded", FoldedBeforeWrite(), (torch.rand(2, 3),), ["x"]),
        Case("alias_nested", NestedWrite(), (torch.rand(3),), ["x"]),
        Case("alias_batch_norm", TrainedNorm(), (torch.rand(4, 3),), ["x"]),
    ]
