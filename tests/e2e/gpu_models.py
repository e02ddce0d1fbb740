"""Writes the models of gpu_torch_test.py into the current folder: one network as an exported program, as a script, as a
trace and as an AOTInductor package for the GPU. All but the last name the CPU as their device.

Usage: gpu_models.py, in a Python with torch."""

import json

import torch

X = [0.5, -1.0, 2.0, 3.5]


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 8)

    def forward(self, x):
        return (self.linear(x) + torch.arange(8, device="cpu")).softmax(1)


class OnGpu(Net):
    def forward(self, x):
        return (self.linear(x) + torch.arange(8, device="cuda")).softmax(1)


class Counting(Net):
    """A buffer that changes: each prediction starts from the saved one."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(8))

    def forward(self, x):
        self.seen.add_(1)
        return (self.linear(x) + torch.arange(8, device="cpu") * self.seen).softmax(1)


def main():
    torch.manual_seed(3)
    net, example = Net().eval(), torch.ones(1, 4)
    counting = Counting().eval()
    counting.load_state_dict(net.state_dict(), strict=False)
    with torch.no_grad():
        expected = net(torch.tensor([X]))[0].tolist()
        torch.export.save(torch.export.export(counting, (example,)), "exported.pt2")
        torch.jit.save(torch.jit.script(net), "script.pt")
        torch.jit.save(torch.jit.trace(net, example), "trace.pt")
        on_gpu = OnGpu().eval()
        on_gpu.load_state_dict(net.state_dict())
        program = torch.export.export(on_gpu.cuda(), (example.cuda(),))
        torch._inductor.aoti_compile_and_package(program, package_path="aoti.pt2")
    with open("expected.json", "w") as file:
        json.dump(expected, file)


main()
