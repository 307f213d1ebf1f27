"""Where a Ray cluster is, and whether anything answers there: known in seconds, where Ray would wait for minutes."""

import os
import socket
from contextlib import suppress

from tmc_sweep.sweep.scratch import temporary_root
from tmc_sweep.sweep.trust import is_anothers, own_text

CONNECT_SECONDS = 3.0


def cluster_address() -> str | None:
    """Address of the cluster to join: RAY_ADDRESS, else one that `ray start` left running here; None without any."""
    address = os.environ.get("RAY_ADDRESS") or running_here()
    address = (running_here() or address) if address == "auto" else address
    return address if address != "local" else None


def running_here() -> str | None:
    """Address of the cluster that this user, or root, last started here by `ray start`; None if it does not answer.

    Ray's own search would also find the private cluster of another run, even one that is just dying. The address is
    read from a file that `ray start` leaves. It is believed only if the file, and whoever listens at the address, is
    this user's or root's, since our token goes there.
    """
    address = own_text(temporary_root() / "ray" / "ray_current_cluster")
    with suppress(ValueError):
        return address if answers(address) and not is_anothers(address) else None
    return None


def answers(address: str) -> bool:
    """Whether `host:port` takes a connection."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True


def as_ray_reads(address: str) -> str:
    """The address with this machine's own one in place of a loopback address, as Ray would replace it.

    Who asks the address that was given, where something may answer, would not notice that Ray waits at the other.
    """
    from ray.util import get_node_ip_address

    host, _, port = address.rpartition(":")
    return f"{get_node_ip_address()}:{port}" if host in ("localhost", "127.0.0.1", "[::1]") else address
