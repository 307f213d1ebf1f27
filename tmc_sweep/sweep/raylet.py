"""This node's raylet, watched: without it Ray's core worker ends our process, with code 1 and no word."""

import os
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from tmc_sweep.errors import CannotRunError, cluster_lost
from tmc_sweep.sweep.control_service import leave

_CREDENTIALS = struct.Struct("3i")  # of a peer: process, user, group


@contextmanager
def watched() -> Iterator[None]:
    """The end of the raylet that we are connected to ends this process while inside: as a kill, with a sentence.

    The kernel tells at once. Nothing less than an end would do: Ray's calls, in any thread, end the process in which
    they find its sockets closed.
    """
    left, leaving = os.pipe()
    raylet = _raylet()
    watch = threading.Thread(target=_watch, args=(raylet, left), name="tmc-sweep-raylet", daemon=True)
    watch.start()
    try:
        yield
    finally:
        os.close(leaving)
        watch.join()
        os.close(left)
        os.close(raylet)


def _raylet() -> int:
    """Its process, as what becomes readable when that ends."""
    us = ray.get_runtime_context().get_node_id()
    path = next(node["RayletSocketName"] for node in ray.nodes() if node["NodeID"] == us)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        return os.pidfd_open(_CREDENTIALS.unpack(packed)[0])
    except (ConnectionError, FileNotFoundError, ProcessLookupError):
        raise _lost() from None


def _watch(raylet: int, left: int) -> None:
    poll = select.poll()
    poll.register(raylet, select.POLLIN)
    poll.register(left)  # closed at the other end
    if [descriptor for descriptor, _ in poll.poll()] == [raylet]:
        leave(_lost())


def _lost() -> CannotRunError:
    return cluster_lost("the Ray process of this machine, its raylet, has ended")
