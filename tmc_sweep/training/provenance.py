"""By what means this process trains: what a later training must have in common with it to give the same bits."""

import os
import platform
import secrets
import socket
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from tmc_sweep.products import maker
from tmc_sweep.records import Provenance

FORMS = 2  # raised where numbers come to be rounded in another way, so that recomputed epochs replace stored ones

_PACKAGE = Path(__file__).parents[1]
_GIT_SECONDS = 10.0
_PACKAGES = ("tmc-sweep", "torch", "ray")


def of_this_process(device: str, engine: str) -> Provenance:
    """By what means it trains now, on torch's `device`."""
    on_gpu = device.startswith("cuda")
    tf32 = on_gpu and torch.get_float32_matmul_precision() == "high"
    commit, dirty = _checkout()
    packages = " ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    return Provenance(
        host=socket.gethostname(),
        device=torch.cuda.get_device_name() if on_gpu else device,
        threads=torch.get_num_threads(),
        engine=f"{engine} tf32" if tf32 else engine,
        versions=f"{packages} python {platform.python_version()}",
        git_commit=commit,
        git_dirty=dirty,
        processor=processor(),
        arithmetic=f"{FORMS} {maker(device)}",
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # Ray, which a sweep trained in one process does without
        return "missing"


@cache
def processor() -> str:
    """Model of the processor and the vector instructions that torch uses there, which both decide bits of a sum."""
    first = Path("/proc/cpuinfo").read_text(errors="replace").split("\n\n")[0]  # of its cores
    said = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())}
    numbers = "-".join(said[name] for name in ("cpu family", "model", "stepping") if name in said)
    model = f"{said.get('model name') or platform.machine()} {numbers}".strip()
    return f"{model} {torch.backends.cpu.get_cpu_capability()}"


def name_of_this_process() -> str:
    """A name that this process has and no other, on any machine and at any time, unlike its number."""
    return _name_of(os.getpid())


@cache
def _name_of(_process: int) -> str:
    return secrets.token_hex(8)


@cache
def _checkout() -> tuple[str | None, bool | None]:
    """The commit of the checkout that this package lies in, and whether its files differ; None where there is none.

    A package that was installed into a folder of another project's checkout is not tracked there.
    """
    commit = _git("rev-parse", "HEAD") if _git("ls-files", "--error-unmatch", "__init__.py") else None
    return (commit, bool(_git("status", "--porcelain", "--", "."))) if commit else (None, None)


def _git(*arguments: str) -> str | None:
    """What git says of the package's folder, whatever repository the environment names; None if it does not know it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        said = subprocess.run(  # noqa: S603
            ["git", "--no-optional-locks", *arguments],  # noqa: S607
            cwd=_PACKAGE,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=_GIT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip()
