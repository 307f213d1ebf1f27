"""Where the cluster is, and whether anything answers there: within seconds, where Ray would wait for minutes."""

import socket

from ray.util import get_node_ip_address

from tmc_sweep.sweep.scratch import temporary_root

CONNECT_SECONDS = 3.0


def running_here() -> str | None:
    """Address of the cluster that `ray start` last left on this machine, if it still answers.

    Ray's own search would also find the private cluster of another run, and even one that is just dying.
    """
    note = temporary_root() / "ray" / "ray_current_cluster"
    address = note.read_text().strip() if note.is_file() else ""
    return address if address and answers(address) else None


def answers(address: str) -> bool:
    """Whether `host:port` takes a connection."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True


def as_ray_reads(address: str) -> str:
    """Ray replaces this machine's loopback address by its other one, and waits there for many minutes."""
    host, _, port = address.rpartition(":")
    return f"{get_node_ip_address()}:{port}" if host in ("localhost", "127.0.0.1", "[::1]") else address
