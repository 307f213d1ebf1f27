"""What NVIDIA's driver says of the GPUs here, asked through NVML: CUDA is not begun, so no memory of theirs is taken.

Without nvidia-ml-py (the extra `gpu`) or a driver, nothing is known.
"""

import os
import pwd
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

_COMPUTE_MODES = {0: "default", 2: "prohibited", 3: "exclusive"}
_MPS_FOLDER = "/tmp/nvidia-mps"  # noqa: S108 - the daemon's own, unless told otherwise


@dataclass(frozen=True)
class Gpu:
    """One GPU, as its driver has it."""

    name: str
    compute_mode: str  # default: for any number of processes; exclusive: for one; prohibited: for none
    mig: bool  # cut into slices, of which a process uses one
    total_bytes: int
    used_bytes: int  # of whomever
    processes: dict[int, int]  # bytes by number of the process, of those that can be seen from here

    @classmethod
    def of_json(cls, fields: Mapping[str, Any]) -> Self:
        """The GPU whose fields were sent as JSON, in which numbers of processes are texts."""
        return cls(**{**fields, "processes": {int(number): used for number, used in fields["processes"].items()}})


def gpus() -> list[Gpu] | None:
    """All that the driver has, whatever CUDA_VISIBLE_DEVICES says; None if it cannot be asked."""
    with _nvml() as nvml:
        if nvml is None:
            return None
        return [_gpu(nvml, nvml.nvmlDeviceGetHandleByIndex(index)) for index in range(nvml.nvmlDeviceGetCount())]


def first_gpu() -> Gpu | None:
    """The one that torch calls cuda:0 in this process; None if the driver cannot be asked."""
    first = (os.environ.get("CUDA_VISIBLE_DEVICES") or "0").partition(",")[0].strip()
    with _nvml() as nvml:
        if nvml is None:
            return None
        by_number = first.isdecimal()
        with suppress(nvml.NVMLError):
            handle = nvml.nvmlDeviceGetHandleByIndex(int(first)) if by_number else nvml.nvmlDeviceGetHandleByUUID(first)
            return _gpu(nvml, handle)
        return None


def mps_user() -> str | None:
    """Who runs the MPS daemon that processes started here would use; None if none runs."""
    folder = Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY") or _MPS_FOLDER)
    try:
        number = int((folder / "nvidia-cuda-mps-control.pid").read_text())
        return user_name(Path(f"/proc/{number}").stat().st_uid)
    except (OSError, ValueError):
        return None


def user_name(number: int) -> str:
    """The name of this user, the number itself where it has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


@contextmanager
def _nvml() -> Iterator[Any]:
    """nvidia-ml-py's module, begun; None where it or the driver is missing."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except (ImportError, OSError):
        yield None
        return
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


def _gpu(nvml: Any, handle: Any) -> Gpu:
    def said(function: Any, otherwise: Any) -> Any:
        """Of a slice, and of GPUs that cannot be cut, some things are not told."""
        try:
            return function(handle)
        except nvml.NVMLError:
            return otherwise

    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    running = said(nvml.nvmlDeviceGetComputeRunningProcesses, [])
    return Gpu(
        name=nvml.nvmlDeviceGetName(handle),
        compute_mode=_COMPUTE_MODES.get(said(nvml.nvmlDeviceGetComputeMode, 0), "default"),
        mig=bool(said(nvml.nvmlDeviceGetMigMode, [0])[0]),
        total_bytes=memory.total,
        used_bytes=memory.used,
        processes={process.pid: process.usedGpuMemory or 0 for process in running},
    )
