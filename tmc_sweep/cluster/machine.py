"""One machine as `probe.py` found it, its versions, GPUs and free disk, and what is wrong with these.

Functions that look for a problem return what was found and the fix, as texts; nothing if all is well.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from tmc_sweep.cluster import probe
from tmc_sweep.errors import CannotRunError
from tmc_sweep.gpus import Gpu
from tmc_sweep.text import counted, gigabytes, last_line

PROBE = Path(probe.__file__).read_text(encoding="utf-8")
PROBE_SECONDS = 60.0  # importing torch from a cold disk, and its first look at each GPU
LEAST_FREE_BYTES = 10**9  # of the disk of results or temporary files
_FULLEST = 0.95  # the part of a disk that may be used: beyond it Ray stores no object


class Check(NamedTuple):
    """One line of `doctor`: a thing that was looked at."""

    ok: bool
    what: str  # its name, such as "gpu"
    found: str
    fix: str = ""  # what to do if it is not ok


@dataclass(frozen=True)
class Machine:
    """What `probe.py` printed."""

    host: str
    python: str
    versions: dict[str, str | None]  # of tmc-sweep, ray and torch; None: missing
    numerics: int | None  # version of what a configuration means; None if tmc_sweep cannot be imported
    driver: str | None
    cuda: str | None  # that torch was built for
    cards: list[str]  # GPUs that the driver sees
    gpus: list[str]  # GPUs that torch has used
    gpu_problem: str | None
    driver_gpus: list[Gpu] | None  # as the driver has them; None where it cannot be asked
    user: str
    mps_user: str | None  # whose MPS daemon runs
    compiler: str | None  # of C, which torch's compiler calls
    python_header: bool  # which that one needs
    temporary: str
    free_bytes: int
    disk_bytes: int

    @classmethod
    def parse(cls, printed: str) -> Self:
        """The machine whose probe printed this, as JSON, in its last line."""
        said = json.loads(printed.splitlines()[-1])
        gpus = said.pop("driver_gpus")
        return cls(**said, driver_gpus=gpus and [Gpu.of_json(gpu) for gpu in gpus])

    @property
    def gpu_words(self) -> str:
        """Its GPUs in words: how many, which, and what torch runs on them."""
        if not self.gpus:
            return "no GPU"
        them = "them" if len(self.gpus) > 1 else "it"
        kinds = ", ".join(Counter(self.gpus))
        driver = (self.driver or "unknown").partition(".")[0]
        torch = f"torch {self.versions['torch']} with CUDA {self.cuda}"
        return f"{counted(len(self.gpus), 'GPU')} ({kinds}), driver {driver}, {torch} runs on {them}"


def this_machine() -> Machine:
    """This machine, probed in a process of its own; CannotRunError if that fails or takes a minute."""
    try:
        asked = subprocess.run(
            [sys.executable, "-"],
            input=PROBE,
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            check=True,
            cwd="/",
        )
        return Machine.parse(asked.stdout)
    except (subprocess.SubprocessError, ValueError, IndexError) as error:
        said = last_line(error.stderr) if isinstance(error, subprocess.CalledProcessError) else ""
        what = said or type(error).__name__
        raise CannotRunError(
            f"this machine's Python and torch must start within {PROBE_SECONDS:g} s, but {what}: "
            "install tmc-sweep again"
        ) from error


def gpu_problem(machine: Machine) -> tuple[str, str] | None:
    """Why torch cannot use all GPUs that the driver sees, and the fix; None if it can, or there are none."""
    why = machine.gpu_problem
    if why is None or len(machine.gpus) >= len(machine.cards):
        return None
    have = f"{len(machine.cards)} GPUs ({', '.join(Counter(machine.cards))}), driver {machine.driver}"
    fix = "free its memory" if "out of memory" in why else "install a torch whose CUDA suits the driver, or update it"
    return f"{have}, but torch {machine.versions['torch']} uses {len(machine.gpus)} ({why})", fix


def disk_problem(folder: str, free: int, total: int) -> tuple[str, str] | None:
    """What is wrong with a folder's disk, of which `free` of `total` bytes are free, and the fix; None if nothing."""
    if free >= LEAST_FREE_BYTES and free >= (1 - _FULLEST) * total:
        return None
    return f"{folder} has {gigabytes(free)} of {gigabytes(total)} free", "free some space on its disk"


def differences(machine: Machine, driver: Machine) -> Iterator[tuple[str, str]]:
    """Each version of a node's that is not as the driver's, and the fix."""
    if (theirs := _minor(machine.python)) != (ours := _minor(driver.python)):
        yield f"has Python {theirs}, not {ours}", f"install Python {ours} there"
    for package, ours_or_none in driver.versions.items():
        wanted, found = _public(ours_or_none), _public(machine.versions[package])
        if found is None:
            yield f"has no {package}", f"run `pip install {package}=={wanted}` there"
        elif found != wanted:
            yield f"has {package} {found}, not {wanted}", f"run `pip install {package}=={wanted}` there"
    if machine.versions["tmc-sweep"] == driver.versions["tmc-sweep"] and machine.numerics != driver.numerics:
        yield (
            f"has numerics {machine.numerics or 'that cannot be imported'}, not {driver.numerics}",
            "install the same tmc-sweep on all nodes",
        )


def _minor(python: str) -> str:
    return ".".join(python.split(".")[:2])


def _public(version: str | None) -> str | None:
    """A version without its build, such as +cpu: the head may have another build of torch than nodes with GPUs."""
    return version.partition("+")[0] if version else None
