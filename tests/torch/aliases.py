#!/usr/bin/env python3
"""Which operators of LibTorch give back an argument, or write into one, though their schema does not say so.

Usage: aliases.py, in a Python with torch. Calls every operator that has no alias annotation with a few simple arguments,
each in a process of its own, and prints those whose result shares memory with an argument, and those that change one.
What a model may hold belongs into runtime/engines/torch/shared_memory.cpp; run it with each new PyTorch. A tool, no test: arguments that are
wrong for an operator show nothing, and the engine looks at memory itself before anything is written.
"""

import itertools
import os
import signal

import torch

SKIPPED = ("backward", "_out", "from_file", "save", "record_stream")
TENSORS = [
    lambda: torch.arange(4.0).reshape(2, 2) * 1e5,
    lambda: torch.arange(4).reshape(2, 2),
    lambda: torch.arange(4.0),
    lambda: torch.rand(1, 2, 4, 4),
]
NUMBERS = [0, 1, 2]
OUTCOMES = ["", "gives back", "writes"]


def values_of(kind, number, tensor):
    table = {
        "Tensor": lambda: tensor(), "Optional[Tensor]": lambda: torch.zeros(2) if number == 2 else None, "List[Tensor]": lambda: [tensor()],
        "List[Optional[Tensor]]": lambda: [], "int": lambda: number, "float": lambda: float(number), "number": lambda: number,
        "bool": lambda: number == 2, "str": lambda: "ij" if number else "mean", "List[int]": lambda: [number], "List[float]": lambda: [1.0],
        "Optional[int]": lambda: None, "Optional[float]": lambda: None, "Optional[bool]": lambda: None,
    }
    return table[kind]() if kind in table else None


def memory(value):
    if isinstance(value, torch.Tensor):
        try:
            return {value.untyped_storage().data_ptr()} - {0}
        except Exception:
            return set()
    if isinstance(value, (list, tuple)):
        return set().union(*map(memory, value)) if value else set()
    return set()


def copies(values):
    tensors = [tensor for value in values for tensor in (value if isinstance(value, list) else [value])]
    return [tensor.clone() for tensor in tensors if isinstance(tensor, torch.Tensor)]


def outcome(schema, operator):
    for tensor, number in itertools.product(TENSORS, NUMBERS):
        args, kwargs = [], {}
        for argument in schema.arguments:
            if argument.has_default_value() and argument.name != "equation":
                continue
            value = values_of(str(argument.type), number, tensor)
            if argument.kwarg_only:
                kwargs[argument.name] = value
            else:
                args.append(value)
        before = copies([*args, *kwargs.values()])
        try:
            results = operator(*args, **kwargs)
        except Exception:
            continue
        if not all(map(torch.equal, before, copies([*args, *kwargs.values()]))):
            return "writes"
        if memory(results) & memory([*args, *kwargs.values()]):
            return "gives back"
    return ""


def tried(schema, operator):
    pid = os.fork()
    if pid == 0:
        torch.set_num_threads(1)
        signal.alarm(10)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.dup2(2, 1)
        os._exit(OUTCOMES.index(outcome(schema, operator)))
    status = os.waitpid(pid, 0)[1]
    return OUTCOMES[os.WEXITSTATUS(status)] if os.WIFEXITED(status) else ""


def main():
    print(f"torch {torch.__version__}")
    for schema in sorted(torch._C._jit_get_all_schemas(), key=lambda schema: (schema.name, schema.overload_name)):
        space, name = schema.name.split("::", 1)
        if space not in ("aten", "quantized", "mkldnn") or any(word in name for word in SKIPPED):
            continue
        if any(argument.alias_info is not None for argument in [*schema.arguments, *schema.returns]):
            continue
        packet = getattr(getattr(torch.ops, space), name, None)
        operator = getattr(packet, schema.overload_name or "default", None) if packet is not None else None
        found = tried(schema, operator) if operator is not None else ""
        if found:
            print(f"{schema.name}{'.' + schema.overload_name if schema.overload_name else ''}: {found}", flush=True)


main()
