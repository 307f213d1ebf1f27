"""Ray for one sweep: the cluster that is there, or one of our own that ends with us; and whether trials fit it."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from tmc_sweep.errors import CannotRunError, TmcSweepError
from tmc_sweep.said import first_line
from tmc_sweep.space.schema import Resources
from tmc_sweep.sweep import TOKEN
from tmc_sweep.sweep.address import CONNECT_SECONDS, answers, as_ray_reads, running_here
from tmc_sweep.sweep.allotment import Capacity
from tmc_sweep.sweep.control_service import ControlService, cluster_lost
from tmc_sweep.sweep.nodes import Nodes, capacity_here, check_fits
from tmc_sweep.sweep.scratch import scratch_folder

OBJECT_STORE_BYTES = 500 * 2**20  # data sets and checkpoints in flight; Ray's default is 30 % of the memory


@contextmanager
def ray_session(resources: Resources) -> Iterator[list[Capacity]]:
    """Ray, connected and quiet, and the nodes it has or may add; our own cluster is stopped at the end.

    Joins the cluster at RAY_ADDRESS, else one that `ray start` left running here, else starts one on this machine.
    CannotRunError if no cluster answers, or no node could ever fit a trial.
    """
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    if ray.is_initialized():
        yield Nodes.of_cluster().fitting(resources)
        return
    if address := cluster_address():
        with joined(address):
            yield Nodes.of_cluster().fitting(resources)
    else:
        here = capacity_here()
        check_fits(resources, [here])
        with scratch_folder() as folder, _left_at_the_end():
            _start(here, folder)
            yield [here]


def cluster_address() -> str | None:
    """Address of the cluster to join: RAY_ADDRESS, else one that `ray start` left running here; None without any."""
    address = os.environ.get("RAY_ADDRESS") or running_here()
    address = (running_here() or address) if address == "auto" else address
    return address if address != "local" else None


@contextmanager
def joined(address: str) -> Iterator[None]:
    """Ray, connected to the cluster at this address; CannotRunError if none answers there, or it goes away."""
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    with _left_at_the_end():
        _connect(address)
        yield


@contextmanager
def _left_at_the_end() -> Iterator[None]:
    """CannotRunError if the cluster goes away inside."""
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
    try:
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
    except Exception as error:  # Ray gives up on its own processes after 30 s with no other type
        long = "AF_UNIX path length" in str(error)
        fix = "let RAY_TMPDIR name a folder with a short path" if long else "free some memory or processors"
        raise CannotRunError(
            f"Ray must start on this machine, but {_first_sentence(error)}: {fix}, and run the same command again"
        ) from error
    if TOKEN.is_file():  # Ray leaves it readable to all
        TOKEN.chmod(0o600)


def _first_sentence(error: Exception) -> str:
    return str(error).partition(". ")[0].partition("\n")[0] or type(error).__name__


_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
