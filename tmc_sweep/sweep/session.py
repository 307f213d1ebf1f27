"""A session of Ray for one sweep: the cluster that is there, or one of our own that ends with us."""

import errno
import logging
import os
import resource
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import AuthenticationError, RayError

from tmc_sweep.errors import CannotRunError, TmcSweepError, cluster_lost
from tmc_sweep.space.schema import Resources
from tmc_sweep.sweep import TOKEN
from tmc_sweep.sweep.address import CONNECT_SECONDS, answers, as_ray_reads, cluster_address
from tmc_sweep.sweep.capacity import Capacity, capacity_here, check_fits
from tmc_sweep.sweep.control_service import ControlService
from tmc_sweep.sweep.nodes import Nodes
from tmc_sweep.sweep.ray_internals import few_processes, read_environment_anew, read_token_anew
from tmc_sweep.sweep.raylet import watched
from tmc_sweep.sweep.scratch import scratch_folder
from tmc_sweep.text import first_line

_SHARED_MEMORY = "/dev/shm"  # noqa: S108
_STARTS = 3  # tries to start Ray: it waits 30 s for its own processes, which may not be enough on a busy machine
_LEAST_OPEN_FILES = 256  # with 64 Ray's head falls silent, with 128 a small sweep was trained
OBJECT_STORE_BYTES = 500 * 2**20  # data sets and checkpoints in flight; Ray's default is 30 % of the memory


@contextmanager
def ray_session(resources: Resources) -> Iterator[list[Capacity]]:
    """Ray is connected while inside; yields the nodes that there are or may be added.

    Joins the cluster at RAY_ADDRESS, else one that `ray start` left running here, else starts one on this machine,
    which is stopped at the end. Within a session that somebody has begun, that one is used.

    CannotRunError if no cluster answers, no node could ever hold a trial, or the cluster goes away.
    """
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    if ray.is_initialized():
        yield Nodes.of_cluster().fitting(resources)
        return
    if address := cluster_address():
        with joined(address), watched():
            yield Nodes.of_cluster().fitting(resources)
    else:
        here = capacity_here()
        check_fits(resources, [here])
        _check_open_files()
        _check_shared_memory()
        with scratch_folder() as folder, _own_token(folder), _left_at_the_end():
            _start(here, folder)
            with watched():
                yield [here]


def _check_open_files() -> None:
    """CannotRunError if too few files may be open: Ray starts all the same, and then falls silent.

    The hard limit counts, to which Ray raises the other.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < _LEAST_OPEN_FILES:
        raise CannotRunError(
            f"Ray must be able to have {_LEAST_OPEN_FILES} files open, but the hard limit here is {hard}: raise it, as "
            "with `ulimit -n 4096` in a new shell, and run the same command again"
        )


def _check_shared_memory() -> None:
    """CannotRunError if no file can be made where Ray shares memory: it times out there, and does not say why."""
    if not os.access(_SHARED_MEMORY, os.W_OK):
        raise CannotRunError(
            f"Ray must be able to write to {_SHARED_MEMORY}, but it is read-only or missing: make it writable, as "
            f"with `mount -o remount,rw {_SHARED_MEMORY}`, and run the same command again"
        )


@contextmanager
def joined(address: str) -> Iterator[None]:
    """Ray is connected to the cluster at this address while inside; CannotRunError if none answers, or it goes away."""
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    with _left_at_the_end():
        _connect(address)
        yield


@contextmanager
def _left_at_the_end() -> Iterator[None]:
    """Ray is disconnected at the end; CannotRunError if the cluster goes away inside."""
    try:
        yield
    except RayError as error:
        raise cluster_lost(f"it broke off ({type(error).__name__})") from None
    finally:
        ray.shutdown()


def _connect(address: str) -> None:
    if "://" in address:
        whose = "a Ray Client address" if address.startswith("ray://") else "a job server's"
        raise CannotRunError(
            f"a sweep runs on the cluster's head, but RAY_ADDRESS is {address}, {whose}: "
            "log in to the head and run it there, or submit it as a job"
        )
    address = as_ray_reads(address)
    if not answers(address):
        raise CannotRunError(
            f"a Ray cluster must answer at {address}, but none does within {CONNECT_SECONDS:g} s: "
            "start it with `ray start --head`, or unset RAY_ADDRESS to use this machine alone"
        )
    ControlService(address).check_joinable()
    try:
        ray.init(address=address, **_QUIET)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise CannotRunError(
            f"joining the Ray cluster at {address} must work, but {first_line(error)}: check that it runs "
            f"Ray {ray.__version__} and that its token is in {TOKEN}"
        ) from None


def _start(here: Capacity, folder: Path) -> None:
    """Start a Ray of our own, with its files in `folder`; CannotRunError if it does not start."""
    for left in reversed(range(_STARTS)):
        try:
            with few_processes():
                ray.init(
                    address="local",
                    num_cpus=int(here["CPU"]),
                    num_gpus=int(here["GPU"]),
                    include_dashboard=False,
                    object_store_memory=OBJECT_STORE_BYTES,
                    _temp_dir=str(folder),
                    **_QUIET,
                )
        except TmcSweepError:  # a signal's
            raise
        except Exception as error:
            if left and type(error) is Exception:  # its own processes are late, for which it has no other type
                ray.shutdown()
                continue
            raise CannotRunError(
                f"Ray must start on this machine, but {_first_sentence(error)}: {_fix(error)}, and run the same "
                "command again"
            ) from error
        return


@contextmanager
def _own_token(folder: Path) -> Iterator[None]:
    """A token for our own cluster, in its folder, while inside; unless the user names one.

    Ray would put one into HOME, and leave it there.
    """
    if _TOKENS & os.environ.keys():
        yield
        return
    file, mode = folder / "token", os.environ.get(_MODE)
    file.touch(0o600)
    file.write_text(secrets.token_hex(32))
    os.environ[_TOKEN_PATH] = str(file)
    read_token_anew()
    try:
        yield
    finally:
        del os.environ[_TOKEN_PATH]
        read_token_anew()
        if mode is None and _MODE in os.environ:  # Ray set it
            del os.environ[_MODE]
            read_environment_anew()


def _fix(error: Exception) -> str:
    """What to do about a Ray that does not start."""
    if isinstance(error, AuthenticationError):
        return "unset RAY_AUTH_TOKEN_PATH, or let it name a file that holds a token"
    if "AF_UNIX path length" in str(error):
        return "let RAY_TMPDIR name a folder with a short path"
    if isinstance(error, OSError) and error.errno in _FIXES:
        return _FIXES[error.errno]
    if isinstance(error, OSError) and error.filename:
        home = str(error.filename).startswith(os.environ.get("HOME") or "/")
        return f"let {'HOME' if home else error.filename} be a folder that you may write to"
    return "free some memory or processors"


def _first_sentence(error: Exception) -> str:
    return str(error).partition(". ")[0].partition("\n")[0] or type(error).__name__


_TOKEN_PATH = "RAY_AUTH_TOKEN_PATH"  # noqa: S105 - the variable's name
_MODE = "RAY_AUTH_MODE"
_TOKENS = {_TOKEN_PATH, "RAY_AUTH_TOKEN"}
_FIXES = {
    errno.ENOSPC: "free some space on the disk of RAY_TMPDIR (default: /tmp) or in /dev/shm",
    errno.EMFILE: "let more files be open at once (`ulimit -n 65536`)",
    errno.ENFILE: "close some files on this machine",
    errno.EAGAIN: "end some processes of yours, or let there be more (`ulimit -u`)",
    errno.EADDRINUSE: "end what has the port",
}
_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
