"""By what means this process trains: what a later training must have in common with it to give the same bits."""

import platform
import socket
from dataclasses import dataclass
from importlib.metadata import version
from typing import Self

import torch

_PACKAGES = ("tmc-sweep", "torch", "ray")


@dataclass(frozen=True)
class Provenance:
    """Columns of the trial table that say where and with what a trial was trained."""

    host: str
    device: str
    threads: int
    engine: str
    versions: str

    @classmethod
    def here(cls, device: str, engine: str) -> Self:
        """Of this process as it is now, on torch's `device`."""
        on_gpu = device.startswith("cuda")
        tf32 = on_gpu and torch.get_float32_matmul_precision() == "high"
        packages = " ".join(f"{name} {version(name)}" for name in _PACKAGES)
        return cls(
            host=socket.gethostname(),
            device=torch.cuda.get_device_name() if on_gpu else device,
            threads=torch.get_num_threads(),
            engine=f"{engine} tf32" if tf32 else engine,
            versions=f"{packages} python {platform.python_version()}",
        )
