"""What a machine has, printed as JSON. This file's text is run by Python on whatever machine is asked.

It imports nothing of our package, which may be missing there, except to ask for its numerics version. It is run in a
process of its own, which can be given up, and whose hold on a GPU ends with it.
"""

import json
import os
import platform
import shutil
import subprocess
import sysconfig
from contextlib import suppress
from dataclasses import asdict
from getpass import getuser
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def probe() -> dict[str, Any]:
    """The fields of `machine.Machine`, by name."""
    driver, cards = _cards()
    driver_gpus, mps_user = _sharing()  # before torch takes memory of one
    cuda, gpus, problem = _usable_gpus()
    temporary = os.environ.get("RAY_TMPDIR") or "/tmp"  # noqa: S108 - Ray's own path
    disk = shutil.disk_usage(_there(Path(temporary).absolute()))
    return {
        "host": platform.node(),
        "python": platform.python_version(),
        "versions": {package: _version(package) for package in ("tmc-sweep", "ray", "torch")},
        "numerics": _numerics(),
        "driver": driver,
        "cuda": cuda,
        "cards": cards,
        "gpus": gpus,
        "gpu_problem": problem,
        "driver_gpus": driver_gpus,
        "user": getuser(),
        "mps_user": mps_user,
        "compiler": os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang"),
        "python_header": Path(sysconfig.get_paths()["include"], "Python.h").is_file(),
        "temporary": temporary,
        "free_bytes": disk.free,
        "disk_bytes": disk.total,
    }


def _there(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _numerics() -> int | None:
    try:
        return int(import_module("tmc_sweep.config").NUMERICS_VERSION)
    except Exception:  # missing, or broken in any way
        return None


def _cards() -> tuple[str | None, list[str]]:
    """The NVIDIA driver's version and the GPUs that it sees, whatever torch makes of them."""
    query = ["nvidia-smi", "--query-gpu=driver_version,name", "--format=csv,noheader"]
    with suppress(OSError, subprocess.SubprocessError):
        out = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout  # noqa: S603
        rows = [line.split(", ", 1) for line in out.splitlines() if ", " in line]
        return (rows[0][0], [_short(name) for _, name in rows]) if rows else (None, [])
    return None, []


def _sharing() -> tuple[list[dict[str, Any]] | None, str | None]:
    """What the driver says of each GPU, and who runs MPS; nothing where our package is missing, or nvidia-ml-py."""
    try:
        ours = import_module("tmc_sweep.gpus")
        gpus = ours.gpus()
        return gpus and [asdict(gpu) for gpu in gpus], ours.mps_user()
    except Exception:  # missing, or broken in any way
        return None, None


def _usable_gpus() -> tuple[str | None, list[str], str | None]:
    """The CUDA that torch was built for, the GPUs on which it could compute something, and why not on the next."""
    cuda, names = None, []
    try:
        import torch

        cuda = torch.version.cuda
        if torch.cuda.device_count() == 0:
            torch.cuda.init()  # says why
        for index in range(torch.cuda.device_count()):
            torch.ones(2, device=f"cuda:{index}").sum().item()
            names.append(_short(torch.cuda.get_device_name(index)))
    except Exception as error:
        return cuda, names, str(error).strip().partition("\n")[0].partition(". ")[0] or type(error).__name__
    return cuda, names, None


def _short(name: str) -> str:
    return name.strip().removeprefix("NVIDIA ").removeprefix("Tesla ")


if __name__ == "__main__":
    print(json.dumps(probe()))  # noqa: T201 - that is what it is for
