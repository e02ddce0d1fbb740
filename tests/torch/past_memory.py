#!/usr/bin/env python3
"""Which operators of LibTorch read or write beyond their tensors.

Usage: past_memory.py [--tries N] [PATTERN], in a Python with torch, expecttest and pytest, with a C compiler at hand.
Collects calls of operators (PATTERN: a part of their names): what PyTorch's own tests call (op_db), what common layers
call, and CALLS. Then changes their arguments, shapes, indices and numbers, and calls them again, each in a process of its
own in which tensors lie between pages that can't be touched (guard_pages.c). What ends the process is printed, with its
signal: 11 is memory, 8 a division by zero, which costs the worker only.

What is found is either refused by runtime/engines/torch/allowed.cpp or checked by argument_checks.cpp; run it with each
new PyTorch. A tool, no test: it takes a quarter of an hour, and what it does not try it does not find.
"""

import argparse
import ctypes
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

K_PER_OPERATOR = 10
K_SECONDS = 5
K_ADDRESS_BYTES = 40 << 30
K_FAR = [10**6, -(10**6), -1, 10**8, 2**31 - 1, 0, 3]
# Gradients, which are refused whatever they do, and what is not of the CPU.
K_SKIPPED = ("_backward", "_cudnn", "miopen", "from_file")


def preload():
    """Starts again with guard_pages.c before everything else."""
    if "MRUN_GUARD_PAGES" in os.environ:
        return ctypes.CDLL(os.environ["MRUN_GUARD_PAGES"])
    library = Path(tempfile.mkdtemp()) / "guard_pages.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, Path(__file__).with_name("guard_pages.c")], check=True)
    os.environ |= {"MRUN_GUARD_PAGES": str(library), "LD_PRELOAD": str(library)}
    os.execv(sys.executable, [sys.executable, *sys.argv])


guard_pages = preload()
warnings.simplefilter("ignore")
import torch  # noqa: E402
import torch.utils._pytree as pytree  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

ATEN, QUANTIZED = torch.ops.aten, torch.ops.quantized


def calls_by_hand():
    """Operators that no test calls by themselves, with arguments that fit."""
    z, i = torch.rand, torch.tensor
    bags = (i([0, 1, 2]), i([0, 2]))
    lstm = (z(16, 3), z(16, 4), z(16), z(16), z(2, 4), z(2, 4), False, [], 2, 4, 1, True, False, False, False)
    heads = (z(24, 8), z(24), z(8, 8), z(8))
    return [
        (ATEN._reshape_alias.default, (z(4), [2, 2], [2, 1])),
        (ATEN._ctc_loss.Tensor, (z(5, 1, 4), i([[1]]), i([5]), i([1]))),
        (ATEN._convert_indices_from_csr_to_coo.default, (i([0, 1]), i([0]))),
        (ATEN._convert_indices_from_coo_to_csr.default, (i([1]), 2)),
        (ATEN.segment_reduce.default, (z(2), "sum"), {"offsets": i([0, 2]), "unsafe": True}),
        (ATEN._embedding_bag_forward_only.default, (z(5, 3), i([1, 2, 4]), i([0, 1]))),
        (ATEN._embedding_bag.default, (z(5, 3), i([1, 2, 4]), i([0, 1]), False, 1)),
        (ATEN._scaled_dot_product_flash_attention_for_cpu.default, (z(2, 4, 5, 8), z(2, 4, 6, 8), z(2, 4, 6, 8))),
        (ATEN._native_batch_norm_legit_no_training.default, (z(2, 3, 4), z(3), z(3), z(3), z(3), 0.1, 1e-5)),
        (ATEN._native_batch_norm_legit.no_stats, (z(2, 3, 4), z(3), z(3), True, 0.1, 1e-5)),
        (ATEN._native_batch_norm_legit.default, (z(2, 3, 4), z(3), z(3), z(3), z(3), False, 0.1, 1e-5)),
        (ATEN.native_batch_norm.default, (z(2, 3, 4), z(3), z(3), z(3), z(3), True, 0.1, 1e-5)),
        (ATEN._batch_norm_with_update.default, (z(2, 3, 4), z(3), z(3), z(3), z(3), 0.1, 1e-5)),
        (ATEN._batch_norm_no_update.default, (z(2, 3, 4), z(3), z(3), z(3), z(3), 0.1, 1e-5)),
        (ATEN.batch_norm_update_stats.default, (z(2, 3, 4), z(3), z(3), 0.1)),
        (ATEN.mkldnn_rnn_layer.default, (z(5, 2, 3), *lstm)),
        (ATEN._transformer_encoder_layer_fwd.default, (z(2, 3, 8), 8, 2, *heads, True, False, 1e-5, z(8), z(8), z(8), z(8), z(16, 8), z(16), z(8, 16), z(8))),
        (ATEN._native_multi_head_attention.default, (z(2, 3, 8), z(2, 3, 8), z(2, 3, 8), 8, 2, *heads)),
        (ATEN._transform_bias_rescale_qkv.default, (z(2, 3, 24), z(24), 2)),
        (ATEN._masked_softmax.default, (z(2, 2, 3, 3), torch.zeros(3, 3, dtype=torch.bool), 3, 0)),
        (ATEN._weight_int8pack_mm.default, (z(4, 32).bfloat16(), torch.ones(16, 32, dtype=torch.int8), z(16).bfloat16())),
        (ATEN._weight_int4pack_mm_for_cpu.default, (
            z(4, 64).bfloat16(), ATEN._convert_weight_to_int4pack_for_cpu(torch.ones(32, 64, dtype=torch.int32), 1), 32, z(2, 32, 2).bfloat16())),
        (ATEN._dyn_quant_pack_4bit_weight.default, (torch.ones(32, 32, dtype=torch.uint8), z(32, 1), None, 64, 64, 32)),
        (ATEN.native_group_norm.default, (z(2, 4, 6), z(4), z(4), 2, 4, 6, 2, 1e-5)),
        (ATEN._weight_norm_interface.default, (z(3, 4), z(3, 1), 0)),
        (ATEN._fft_c2r.default, (torch.rand(4, 3, dtype=torch.complex64), [1], 0, 4)),
        (ATEN._fft_r2c.default, (z(4, 4), [1], 0, True)),
        (ATEN._pack_padded_sequence.default, (z(3, 2, 4), i([3, 2]), False)),
        (ATEN._pad_packed_sequence.default, (z(5, 4), i([2, 2, 1]), False, 0.0, 3)),
        (ATEN.max_unpool2d.default, (z(1, 2, 3, 3), torch.arange(18).reshape(1, 2, 3, 3) % 9, [6, 6])),
        (ATEN.max_unpool3d.default, (z(1, 2, 2, 2, 2), torch.arange(16).reshape(1, 2, 2, 2, 2), [4, 4, 4], [2, 2, 2], [0, 0, 0])),
        (ATEN.fractional_max_pool2d.default, (z(1, 2, 6, 6), [2, 2], [3, 3], z(1, 2, 2))),
        (ATEN.grid_sampler_2d.default, (z(2, 3, 4, 4), z(2, 5, 5, 2), 0, 0, False)),
        (ATEN.col2im.default, (z(1, 8, 25), [6, 6], [2, 2], [1, 1], [0, 0], [1, 1])),
        (ATEN.slow_conv3d_forward.default, (z(1, 3, 5, 5, 5), z(2, 3, 3, 3, 3), [3, 3, 3], None, [1, 1, 1], [0, 0, 0])),
        (ATEN.slow_conv_transpose2d.default, (z(1, 3, 5, 5), z(3, 2, 3, 3), [3, 3])),
        (ATEN.slow_conv_dilated2d.default, (z(1, 3, 7, 7), z(2, 3, 3, 3), [3, 3], None, [1, 1], [0, 0], [2, 2])),
        (ATEN._upsample_bilinear2d_aa.default, (z(1, 2, 6, 6), [3, 3], False)),
        (ATEN._sobol_engine_draw.default, (torch.zeros(3, dtype=torch.int64), 4, torch.zeros(3, 30, dtype=torch.int64), 3, 0, 6)),
        (ATEN._spdiags.default, (z(2, 4), i([0, 1]), [4, 4])),
        (ATEN.linalg_ldl_solve.default, (z(3, 3), torch.tensor([1, 2, 3], dtype=torch.int32), z(3, 2))),
        (ATEN.linalg_lu_solve.default, (z(3, 3), torch.tensor([1, 2, 3], dtype=torch.int32), z(3, 2))),
        (ATEN.put.default, (z(5), i([1]), z(1))),
        (ATEN.take.default, (z(5), i([1]))),
        (ATEN._unsafe_index.Tensor, (z(4, 3), [i([0, 1])])),
        (QUANTIZED.embedding_bag_byte_rowwise_offsets.default, (QUANTIZED.embedding_bag_byte_prepack(z(5, 4)), *bags)),
        (QUANTIZED.embedding_bag_4bit_rowwise_offsets.default, (QUANTIZED.embedding_bag_4bit_prepack(z(5, 4)), *bags)),
        (QUANTIZED.embedding_bag_2bit_rowwise_offsets.default, (QUANTIZED.embedding_bag_2bit_prepack(z(5, 4)), *bags)),
        (QUANTIZED.embedding_bag_4bit_unpack.default, (QUANTIZED.embedding_bag_4bit_prepack(z(5, 4)),)),
    ]


class Collect(TorchDispatchMode):
    """Keeps the arguments of a few calls of each operator."""

    def __init__(self, found):
        super().__init__()
        self.found = found

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        calls = self.found.setdefault(str(operator), (operator, []))[1]
        small = sum(leaf.numel() for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)) < 200_000
        if small and len(calls) < K_PER_OPERATOR:
            calls.append(pytree.tree_map(clone, (args, kwargs)))
        return operator(*args, **kwargs)


def clone(leaf):
    return leaf.detach().clone() if isinstance(leaf, torch.Tensor) else leaf


def attempt(call):
    """What does not work here is no call to begin with."""
    try:
        return call()
    except Exception:
        return None


def collect():
    from torch.testing._internal.common_methods_invocations import op_db

    found = {}
    with torch.no_grad(), Collect(found):
        for info in op_db:
            for dtype in (torch.float32, torch.int64):
                if info.supports_dtype(dtype, "cpu"):
                    for _, sample in zip(range(12), attempt(lambda: info.sample_inputs("cpu", dtype, requires_grad=False)) or []):
                        attempt(lambda: info(sample.input, *sample.args, **sample.kwargs))
        for module, shape in ((nn.LSTM(3, 4, 2, bidirectional=True), (5, 2, 3)), (nn.GRU(3, 4), (5, 2, 3)), (nn.RNN(3, 4), (5, 2, 3)),
                              (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (2, 3, 8)), (nn.BatchNorm2d(3), (2, 3, 4, 4)),
                              (nn.InstanceNorm2d(3), (2, 3, 4, 4)), (nn.Conv2d(3, 4, 3), (2, 3, 8, 8)), (nn.ConvTranspose2d(3, 4, 3), (2, 3, 8, 8))):
            for training in (True, False):
                attempt(lambda: module.train(training)(torch.rand(shape)))
    for operator, args, *kwargs in calls_by_hand():
        call = (args, kwargs[0] if kwargs else {})
        operator(*call[0], **call[1])
        found.setdefault(str(operator), (operator, []))[1].extend([call] * K_PER_OPERATOR)
    return found


def misfit(tensor, chance):
    """Another shape, dtype or index."""
    kind = chance.random()
    if tensor.dtype in (torch.int64, torch.int32) and kind < 0.55 and tensor.numel():
        changed = tensor.clone().contiguous()
        changed.view(-1)[chance.randrange(tensor.numel())] = chance.choice([*K_FAR, tensor.numel(), -tensor.numel() - 1])
        return changed
    if tensor.layout != torch.strided:
        return tensor
    if kind < 0.8 and tensor.dim():
        axis = chance.randrange(tensor.dim())
        size = tensor.size(axis)
        if kind >= 0.7:
            return torch.cat([tensor] * chance.choice([2, 3, 40]), axis)
        return tensor.narrow(axis, 0, min(chance.choice([0, 1, size // 2, max(size - 1, 0)]), size)).clone()
    if kind < 0.9:
        return tensor.reshape(-1).clone()
    return tensor.unsqueeze(0) if kind < 0.95 else tensor.to(chance.choice([torch.float64, torch.bfloat16, torch.int64, torch.bool, torch.uint8]))


def changed(call, number):
    chance = random.Random(number)
    leaves, spec = pytree.tree_flatten(pytree.tree_map(clone, call))
    for _ in range(chance.choice([1, 1, 1, 2, 2, 3]) if leaves else 0):
        at = chance.randrange(len(leaves))
        leaf = leaves[at]
        if isinstance(leaf, torch.Tensor):
            leaves[at] = None if chance.random() < 0.04 else attempt(lambda: misfit(leaf, chance))
        elif isinstance(leaf, bool):
            leaves[at] = not leaf
        elif isinstance(leaf, int):
            leaves[at] = chance.choice([0, -1, 1, 2, leaf + 1, leaf - 1, leaf * 2, 1000, -1000, 2**31, -(2**40), 2**62])
        elif isinstance(leaf, float):
            leaves[at] = chance.choice([0.0, -1.0, 1e30, float("nan"), float("inf"), 0.5])
    return pytree.tree_unflatten(leaves, spec)


def words(value):
    if isinstance(value, torch.Tensor):
        return f"{list(value.shape)}:{str(value.dtype)[6:]}"
    if isinstance(value, (list, tuple)):
        return f"({', '.join(map(words, value))})"
    return repr(value)


def run(operator, calls, first, last, progress):
    """The child: never returns."""
    signal.alarm(K_SECONDS)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_AS, (K_ADDRESS_BYTES, K_ADDRESS_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    guard_pages.guard_pages_on()
    for number in range(first, last):
        os.pwrite(progress, number.to_bytes(4, "little"), 0)
        args, kwargs = changed(calls[number % len(calls)], number)
        attempt(lambda: operator(*args, **kwargs))
    os._exit(0)


def search(operator, calls, tries, progress):
    """The first three calls that end the process."""
    first, seen = 0, 0
    while first < tries and seen < 3:
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            run(operator, calls, first, tries, progress)
        status = os.waitpid(pid, 0)[1]
        if not os.WIFSIGNALED(status):
            return
        number = int.from_bytes(os.pread(progress, 4, 0), "little")
        if os.WTERMSIG(status) != signal.SIGALRM:  # large, but within memory
            args, kwargs = changed(calls[number % len(calls)], number)
            print(f"{operator}: signal {os.WTERMSIG(status)} by {words(args)} {kwargs or ''}", flush=True)
        first, seen = number + 1, seen + 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tries", type=int, default=160)
    parser.add_argument("pattern", nargs="?", default="")
    options = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(1)
    found = collect()
    print(f"torch {torch.__version__}, {len(found)} operators", flush=True)
    progress = os.memfd_create("progress")
    os.ftruncate(progress, 4)
    for name, (operator, calls) in sorted(found.items()):
        if options.pattern in name and calls and not name.startswith("prims") and not any(word in name for word in K_SKIPPED):
            search(operator, calls, options.tries, progress)


main()
