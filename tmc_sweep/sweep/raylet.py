"""A watch on this node's raylet, the process of Ray on each machine.

When the raylet ends, Ray's code in our process ends the process at its next call, with exit code 1 and no message. The
watch notices the end at once, and ends the process itself with a sentence. What it misses, `supervision` tells.
"""

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
    """While inside, the end of the raylet that we are connected to ends this process, with a message and its exit code.

    No exception would do: Ray's calls, in any thread, end the process as soon as they find the raylet's sockets closed.
    CannotRunError if the raylet has ended already.
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
    """A file descriptor of the raylet's process, which becomes readable when the process ends."""
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
