"""Goal: only what may depend on something does. Reads the built binaries and the sources' includes.

The graph is DESIGN section 3: which folder may include which, and which shared libraries each program may need.
"""

import os
import pathlib
import re
import subprocess
import sys

BUILD = pathlib.Path(os.environ["MRUN_BUILD"])
SOURCE = pathlib.Path(os.environ["MRUN_SOURCE"])

# folder -> folders of ours that its files may include
FOLDERS = {
    "common": [],
    "packager": ["common"],
    "packager/signing": ["common", "packager"],
    "packager/registry": ["common", "packager", "packager/signing", "packager/registry"],
    "packager/layout": ["common", "packager", "packager/signing", "packager/layout"],
    "kernels": ["common"],
    "runtime/media": ["common", "kernels", "runtime/media"],
    "runtime/tokenizers": ["common", "runtime/tokenizers"],
    "runtime/steps": ["common", "kernels", "runtime/media", "runtime/tokenizers", "runtime/steps"],
    "runtime/engines": ["common", "kernels", "runtime", "runtime/engines"],
    "runtime": ["common", "runtime", "runtime/steps", "runtime/media"],
    "daemon/api": ["common"],
    "cost": ["common", "packager", "daemon/api"],
    "daemon": ["common", "packager", "cost", "daemon", "daemon/api", "runtime/frames.h", "runtime/messages.h"],
    "cli": ["common", "packager", "cost", "daemon/api", "cli"],
    "cli/cost": ["common", "packager", "packager/registry", "cost", "daemon/api", "cli", "cli/cost"],
    "cli/inspect": ["common", "packager", "runtime/engines", "runtime/mrun_predictor.h", "cli/inspect"],
    "cli/remote": ["common", "packager", "packager/signing", "packager/registry", "packager/layout", "daemon/api", "cli", "cli/remote"],
}
LIBTORCH = re.compile(r"libtorch|libc10|libcud|libcublas|libnv")
# program -> pattern of the shared libraries that it may need
SYSTEM = r"(libc|libm|libgcc_s|libstdc\+\+|libpthread|libdl|librt|ld-linux-x86-64|libasan|libubsan|libtsan)\.so"
PROGRAMS = {
    "bin/mrun": SYSTEM + r"|lib(fmt|yaml-cpp|crypto|re2)\.so|lib(fmt|yaml-cpp)\S*\.so",
    "libexec/mrun/mrun-remote": SYSTEM + r"|lib(fmt|yaml-cpp|crypto|re2|curl|archive)\.so|lib(fmt|yaml-cpp)\S*\.so",
    "libexec/mrun/mrun-bench": SYSTEM + r"|lib(fmt|yaml-cpp|crypto|re2)\.so|lib(fmt|yaml-cpp)\S*\.so",
    "libexec/mrun/mrun-cost": SYSTEM + r"|lib(fmt|yaml-cpp|crypto|re2|curl|archive)\.so|lib(fmt|yaml-cpp)\S*\.so",
    "libexec/mrun/mrun-inspect": SYSTEM + r"|lib(fmt|simdjson|z)\.so",
    "libexec/mrun/mrund": SYSTEM + r"|lib(fmt|yaml-cpp|crypto|re2|sqlite3)\.so",
    "libexec/mrun/mrun-worker": SYSTEM + r"|lib(fmt|jpeg|spng|webp|webpdemux|sharpyuv|utf8proc|z|re2)\.so",
    "lib/mrun/engines/echo.so": SYSTEM + r"|libfmt\.so",
}
problems = []


def folder_of(path):
    """The longest folder of FOLDERS that holds the path."""
    return max((name for name in FOLDERS if path == name or path.startswith(name + "/")), key=len, default=None)


def check_includes():
    for name in FOLDERS:
        for file in (SOURCE / name).rglob("*"):
            relative = file.relative_to(SOURCE).as_posix()
            if file.suffix not in (".h", ".cpp", ".cu", ".cuh") or "/tests/" in relative or folder_of(relative) != name:
                continue
            for number, line in enumerate(file.read_text().splitlines(), 1):
                match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
                if not match:
                    if "torch" not in relative and re.match(r"\s*#\s*include\s+<(torch|ATen|c10)/", line):
                        problems.append(f"{relative}:{number}: includes LibTorch outside of the torch engine")
                    continue
                target = match.group(1)
                owner = folder_of(target)
                if owner is None or owner == name or owner in FOLDERS[name] or target in FOLDERS[name]:
                    continue
                problems.append(f"{relative}:{number}: {name} must not depend on {owner} ({target})")


def needed(path):
    text = subprocess.run(["readelf", "-d", str(path)], capture_output=True, text=True, check=True).stdout
    return re.findall(r"\(NEEDED\).*\[(.+)\]", text), re.findall(r"\((?:RUNPATH|RPATH)\).*\[(.+)\]", text)


def check_binaries():
    for program, allowed in PROGRAMS.items():
        libraries, run_paths = needed(BUILD / program)
        for library in libraries:
            if LIBTORCH.match(library):
                problems.append(f"{program} needs {library}: only predictor modules may")
            elif not re.match(allowed, library):
                problems.append(f"{program} needs {library}, which is not on its list")
    for module in (BUILD / "lib/mrun/engines").glob("*.so"):
        _, run_paths = needed(module)
        if run_paths:
            problems.append(f"{module.name} carries a RUNPATH: {run_paths}")


def check_mains():
    for main in SOURCE.glob("*/**/main.cpp"):
        if "templates" not in main.parts and len(main.read_text().splitlines()) > 20:
            problems.append(f"{main.relative_to(SOURCE)} has over 20 lines")


check_includes()
check_binaries()
check_mains()
for problem in problems:
    print(problem, file=sys.stderr)
print(f"{len(problems)} problems")
sys.exit(1 if problems else 0)
