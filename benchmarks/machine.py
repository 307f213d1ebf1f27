"""Where it was measured."""

import platform
from pathlib import Path

import joblib
import ray
import torch


def machine() -> dict[str, object]:
    """What a measured time depends on."""
    return {
        "cpu": _cpu_model(),
        "cores": joblib.cpu_count(),
        "torch_threads": 1,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "ray": ray.__version__,
        "system": platform.platform(),
    }


def _cpu_model() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
