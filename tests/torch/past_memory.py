#!/usr/bin/env python3
"""Which operators of LibTorch read or write beyond their tensors: each call runs in a process of its own.

Usage: past_memory.py, in a Python with torch. What crashes or gives memory out is refused by
runtime/engines/torch/allowed.cpp; run it with each new PyTorch. A tool, no test: what an operator reads beyond its
tensors may happen to be mapped, and then nothing is seen.
"""

import os
import sys

import torch

FAR = 10**8
OPS = torch.ops.aten


def far(*shape):
    return torch.full(shape, FAR)


ONE = torch.ones(1)
CALLS = {
    "_reshape_alias": lambda: OPS._reshape_alias(torch.zeros(2), [10**6], [1]).sum(),
    "_reshape_alias_copy": lambda: OPS._reshape_alias_copy(torch.zeros(2), [10**6], [1]).sum(),
    "max_pool2d_with_indices_backward": lambda: OPS.max_pool2d_with_indices_backward(
        torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 2, 2), [2, 2], [2, 2], [0, 0], [1, 1], False, far(1, 1, 1, 1)),
    "max_pool3d_with_indices_backward": lambda: OPS.max_pool3d_with_indices_backward(
        torch.ones(1, 1, 1, 1, 1), torch.zeros(1, 1, 2, 2, 2), [2] * 3, [2] * 3, [0] * 3, [1] * 3, False, far(1, 1, 1, 1, 1)),
    "adaptive_max_pool2d_backward": lambda: OPS.adaptive_max_pool2d_backward(torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 2, 2), far(1, 1, 1, 1)),
    "adaptive_max_pool3d_backward": lambda: OPS.adaptive_max_pool3d_backward(torch.ones(1, 1, 1, 1, 1), torch.zeros(1, 1, 2, 2, 2), far(1, 1, 1, 1, 1)),
    "_embedding_bag_dense_backward": lambda: OPS._embedding_bag_dense_backward(
        torch.ones(1, 2), far(1), torch.tensor([0]), torch.tensor([1]), torch.tensor([]), 3, False, 0, None),
    "embedding_sparse_backward": lambda: OPS.embedding_sparse_backward(torch.ones(1, 2), far(1), 3, -1, False).to_dense(),
    "segment_reduce": lambda: OPS.segment_reduce(torch.zeros(2), "sum", offsets=torch.tensor([0, FAR]), unsafe=True),
    "_ctc_loss": lambda: OPS._ctc_loss.Tensor(torch.zeros(5, 1, 4), torch.tensor([[FAR]]), torch.tensor([5]), torch.tensor([1])),
    "_convert_indices_from_csr_to_coo": lambda: OPS._convert_indices_from_csr_to_coo(torch.tensor([0, FAR]), torch.tensor([0])),
    "_convert_indices_from_coo_to_csr": lambda: OPS._convert_indices_from_coo_to_csr(far(1), 2),
    "_sparse_coo_tensor_unsafe": lambda: OPS._sparse_coo_tensor_unsafe(torch.tensor([[FAR]]), ONE, [2]).to_dense(),
    "_sparse_csr_tensor_unsafe": lambda: OPS._sparse_csr_tensor_unsafe(torch.tensor([0, 1]), far(1), ONE, [1, 2]).mm(torch.ones(2, 2)),
    # Not refused, since models have use for them.
    "_embedding_bag (negative offset)": lambda: OPS._embedding_bag_forward_only(torch.zeros(3, 2), torch.tensor([1, 1]), torch.tensor([0, -FAR])),
    "native_batch_norm (short weight)": lambda: OPS.native_batch_norm(torch.zeros(2, 10**6), ONE, None, None, None, True, 0.1, 1e-5),
    # Checked by LibTorch.
    "as_strided": lambda: OPS.as_strided(torch.zeros(2), [1000], [1]),
    "index": lambda: OPS.index(torch.zeros(2), [far(1)]),
    "gather": lambda: OPS.gather(torch.zeros(2), 0, far(1)),
    "scatter": lambda: OPS.scatter(torch.zeros(2), 0, far(1), 1.0),
    "embedding": lambda: OPS.embedding(torch.zeros(3, 2), far(1)),
    "max_unpool2d": lambda: OPS.max_unpool2d(torch.zeros(1, 1, 1, 1), far(1, 1, 1, 1), [2, 2]),
}


def outcome(call):
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        torch.set_num_threads(1)
        try:
            call()
            os._exit(0)
        except Exception:
            os._exit(1)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        return f"crashed by signal {os.WTERMSIG(status)}"
    return "gave a result" if status == 0 else "refused"


def main():
    print(f"torch {torch.__version__}")
    for name, call in CALLS.items():
        print(f"{name}: {outcome(call)}")


main()
