"""Goal: no kernel spills registers, and none uses more registers or shared memory than its budget.

Compiles each kernels/NAME/NAME.cu for each architecture and reads what ptxas reports. Needs nvcc, no GPU.
Arguments: nvcc, the source folder, the options that the build compiles the kernels with.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

NVCC, SOURCE, FLAGS = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
ARCHITECTURES = ("80", "90")
problems = []


def budgets():
    rows = {}
    for line in (SOURCE / "kernels/cuda/budget.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, registers, shared = line.split()
            rows[name] = int(registers), int(shared)
    return rows


def run(*options):
    done = subprocess.run([NVCC, "-std=c++20", "-O3", f"-I{SOURCE}", *FLAGS, *options], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"nvcc {' '.join(options)} failed:\n{done.stderr}")
    return done.stderr


def check(file, registers_most, shared_most, folder):
    for architecture in ARCHITECTURES:
        target = f"{file.stem} for sm_{architecture}"
        report = run("-Xptxas", "-v", "-cubin", f"-arch=sm_{architecture}", "-keep", "-keep-dir", str(folder),
                     "-o", str(folder / "kernel.cubin"), str(file))
        used = re.findall(r"Used (\d+) registers(.*)", report)
        frames = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", report)
        if not used or len(used) != len(frames):
            problems.append(f"{target}: ptxas reported nothing that is understood:\n{report}")
        for stack, stores, loads in frames:
            if (stack, stores, loads) != ("0", "0", "0"):
                problems.append(f"{target}: {stack} bytes of stack, {stores} and {loads} bytes spilled")
        for registers, rest in used:
            shared = re.search(r"(\d+) bytes smem", rest)
            shared = int(shared.group(1)) if shared else 0
            print(f"{target}: {registers} registers, {shared} bytes of shared memory")
            if int(registers) > registers_most:
                problems.append(f"{target}: {registers} registers, its budget is {registers_most}")
            if shared > shared_most:
                problems.append(f"{target}: {shared} bytes of shared memory, its budget is {shared_most}")
        if ".local" in (folder / f"{file.stem}.ptx").read_text():
            problems.append(f"{target}: its PTX uses local memory")


def main():
    rows = budgets()
    files = {file.stem: file for file in (SOURCE / "kernels").glob("*/*.cu")}
    if rows.keys() != files.keys():
        problems.append(f"kernels/cuda/budget.txt is about {sorted(rows)}, there are {sorted(files)}")
    with tempfile.TemporaryDirectory() as folder:
        for name in sorted(rows.keys() & files.keys()):
            check(files[name], *rows[name], pathlib.Path(folder))
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


main()
