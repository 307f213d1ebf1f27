"""What `tmc-sweep doctor` checks: this machine, and the nodes of the cluster that a sweep would join.

Each check is a line, `Check`, with what was found and, if it is not as it should be, the fix.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import ray

from tmc_sweep import input_file
from tmc_sweep.cluster.gpu_checks import gpu_checks
from tmc_sweep.cluster.machine import Check, Machine, disk_problem, gpu_problem, this_machine
from tmc_sweep.cluster.nodes import check_nodes
from tmc_sweep.cluster.server import find_server
from tmc_sweep.data import data_root, is_here, load
from tmc_sweep.errors import CannotRunError, InputError
from tmc_sweep.registry import DATA_SETS
from tmc_sweep.sweep import TOKEN
from tmc_sweep.sweep.address import as_ray_reads, cluster_address
from tmc_sweep.sweep.control_service import ControlService
from tmc_sweep.sweep.session import OBJECT_STORE_BYTES, joined
from tmc_sweep.text import gigabytes

_MOST_OF_A_TOKEN = 2**16  # bytes
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Linux has it


def examine(results: Path) -> Iterator[Check]:
    """Make all checks, one after another, and yield each; `results` is the folder where the tables would lie.

    Nothing is raised for what is wrong: it is a check that is not ok.
    """
    try:
        machine = this_machine()
    except CannotRunError as error:
        yield Check(False, "python", str(error))
        return
    yield _versions(machine)
    yield _gpus(machine)
    yield from gpu_checks(machine)
    yield _folder("results", results.expanduser().resolve())
    yield _folder("temporary", Path(machine.temporary))
    yield _shared_memory()
    yield from _data()
    yield _token()
    yield from _cluster(machine)


def _versions(machine: Machine) -> Check:
    found = ", ".join(f"{package} {version or 'missing'}" for package, version in machine.versions.items())
    ok = None not in machine.versions.values() and machine.numerics is not None
    return Check(ok, "versions", f"Python {machine.python}, {found}", "" if ok else "install tmc-sweep again")


def _gpus(machine: Machine) -> Check:
    if problem := gpu_problem(machine):
        return Check(False, "gpu", *problem)
    return Check(True, "gpu", machine.gpu_words + ("" if machine.gpus else ": trials train on the processor"))


def _folder(what: str, folder: Path) -> Check:
    """The check that there is room, and that we may write, where `folder` is or would be made."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    disk = shutil.disk_usage(there)
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        return Check(False, what, f"{folder} cannot be written to", f"make {there} a folder that you may write to")
    if problem := disk_problem(str(folder), disk.free, disk.total):
        return Check(False, what, *problem)
    return Check(True, what, f"{folder}, {gigabytes(disk.free)} free")


def _shared_memory() -> Check:
    """The check of shared memory, in which Ray keeps data sets and checkpoints on their way."""
    free = shutil.disk_usage(_SHARED_MEMORY).free if _SHARED_MEMORY.is_dir() else 0
    found, least = f"{_SHARED_MEMORY} has {gigabytes(free)} free", gigabytes(OBJECT_STORE_BYTES)
    if free < OBJECT_STORE_BYTES:
        return Check(
            False, "memory", f"{found} of the {least} that Ray takes", "start the container with --shm-size=2g"
        )
    return Check(True, "memory", found)


def _data() -> Iterator[Check]:
    """The check of the data sets that are here, which are read whole; none is downloaded."""
    try:
        here = [name for name in DATA_SETS if is_here(name)]
    except InputError as error:
        yield Check(False, "data", str(error))
        return
    broken = []
    for name in here:
        try:
            load(name, download=False)
        except InputError as error:
            broken.append(name)
            yield Check(False, "data", str(error))
    whole = ", ".join(name for name in here if name not in broken)
    absent = ", ".join(name for name in DATA_SETS if name not in here)
    if os.environ.get("TMC_SWEEP_DATA") and not any(DATA_SETS[name].files for name in here):
        found = f"TMC_SWEEP_DATA is {data_root()}, which has none of {absent}"
        yield Check(False, "data", found, "let it name the folder that holds MNIST/raw, or unset it")
    else:
        later = f"; {absent} not in {data_root()}, downloaded when first used" if absent else ""
        yield Check(True, "data", f"{whole} whole{later}")


def _token() -> Check:
    """The check of the token for clusters: nobody else may read it, since whoever has it may run code there."""
    token = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or TOKEN)
    if os.environ.get("RAY_AUTH_TOKEN"):
        return Check(True, "token", "in RAY_AUTH_TOKEN")
    try:
        empty, mode = not input_file.read(token, _MOST_OF_A_TOKEN).strip(), token.stat().st_mode & 0o777
    except FileNotFoundError:
        return Check(True, "token", f"none at {token}: only clusters that ask for one need it")
    except OSError as error:
        return Check(False, "token", f"{token} cannot be read ({error.strerror})", "make it yours")
    if empty:
        return Check(False, "token", f"{token} is empty", "copy the head's there, or remove it")
    if mode & 0o077:
        return Check(False, "token", f"{token} is open to others (mode {mode:03o})", f"run `chmod 600 {token}`")
    return Check(True, "token", f"{token}, mode {mode:03o}")


def _cluster(machine: Machine) -> Iterator[Check]:
    address = cluster_address()
    if address is None:
        yield Check(True, "cluster", "none here, and RAY_ADDRESS names none: a run uses this machine alone")
        return
    try:
        if "://" in address:
            yield Check(True, "jobs", f"the job server at {find_server().get_address()} answers and accepts us")
            return
        with joined(address):
            yield _guard(as_ray_reads(address))
            yield from check_nodes(machine)
    except CannotRunError as error:
        yield Check(False, "cluster", str(error))


def _guard(address: str) -> Check:
    """The check that a cluster asks for a token: its ports are open on all interfaces, and run what they are sent."""
    found = f"{address} answers, runs Ray {ray.__version__}"
    if ControlService(address).is_open():
        return Check(False, "cluster", f"{found} and asks for no token", "start every node with RAY_AUTH_MODE=token")
    return Check(True, "cluster", f"{found} and accepts our token")
