"""GPUs that no machine has, as NVIDIA's driver would tell of them: a module in the place of nvidia-ml-py's."""

import sys
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace

import pytest

GIB = 2**30


class NVMLError(Exception):
    pass


@dataclass
class Card:
    name: str = "NVIDIA H200"
    uuid: str = "GPU-1"
    mode: int = 0
    mig: bool | None = False  # None: cannot be cut
    total: int = 80 * GIB
    used: int = 0
    running: dict[int, int | None] = field(default_factory=dict)


def install(monkeypatch: pytest.MonkeyPatch, *cards: Card, driver: bool = True) -> None:
    """Let the driver have these."""

    def by_uuid(uuid: str) -> Card:
        return next((card for card in cards if card.uuid == uuid), None) or fail()

    def fail(*_: object) -> Card:
        raise NVMLError("Not Supported")

    nvml = ModuleType("pynvml")
    nvml.__dict__.update(
        NVMLError=NVMLError,
        nvmlInit=(lambda: None) if driver else fail,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: len(cards),
        nvmlDeviceGetHandleByIndex=lambda index: cards[index] if index < len(cards) else fail(),
        nvmlDeviceGetHandleByUUID=by_uuid,
        nvmlDeviceGetName=lambda card: card.name,
        nvmlDeviceGetComputeMode=lambda card: card.mode,
        nvmlDeviceGetMigMode=lambda card: fail() if card.mig is None else [int(card.mig), 0],
        nvmlDeviceGetMemoryInfo=lambda card: SimpleNamespace(total=card.total, used=card.used),
        nvmlDeviceGetComputeRunningProcesses=lambda card: [
            SimpleNamespace(pid=number, usedGpuMemory=used) for number, used in card.running.items()
        ],
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
