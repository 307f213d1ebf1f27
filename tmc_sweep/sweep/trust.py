"""Which files, ports and processes of this machine are this user's or root's. Only those are believed.

Ray's folder of temporary files is open to everybody, and a port belongs to whoever listened there first. So a file
there, or an answer at a port, proves nothing by itself; but the kernel says who owns an open file, a listening socket
and a process.
"""

import logging
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

_MOST_BYTES = 300  # of a file that holds an address
_log = logging.getLogger(__name__)
_LISTENING = "0A"  # the state in /proc/net/tcp


def own_text(path: Path) -> str:
    """The text of a short file that nobody but this user or root can have written; "" if there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        found = os.fstat(descriptor)
        ours = found.st_uid in _us() and found.st_nlink == 1  # another user may have linked a file of ours here
        if not ours or not stat.S_ISREG(found.st_mode):
            return ""
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            _log.warning(
                "%s is passed over, since others may write it: run `chmod go-w` on it, or set RAY_ADDRESS", path
            )
            return ""
        return os.read(descriptor, _MOST_BYTES).decode(errors="replace").strip()
    finally:
        os.close(descriptor)


def is_anothers(address: str) -> bool:
    """Whether `host:port` is on this machine, and another user than this one or root listens there.

    ValueError if it is no address.
    """
    host, _, port = address.rpartition(":")
    return _is_here(host.strip("[]")) and not {*_listeners(int(port))} <= _us()


def is_ours(process: Path) -> bool:
    """Whether a process, given as its folder in /proc, is this user's or root's.

    The folder's owner does not say so: it may be root for any process.
    """
    (users,) = (line for line in (process / "status").read_text().splitlines() if line.startswith("Uid:"))
    return {*map(int, users.split()[1:])} <= _us()


def _us() -> set[int]:
    return {0, os.getuid()}


def _is_here(host: str) -> bool:
    """Whether an address is one of this machine: no others can be bound."""
    try:
        for family, kind, protocol, _, place in socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM):
            with socket.socket(family, kind, protocol) as probe:
                probe.bind(place)
                return True
    except OSError:
        pass
    return False


def _listeners(port: int) -> Iterator[int]:
    """The ids of the users who listen at a port of this machine, at whatever address."""
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net", table)
        for line in path.read_text().splitlines()[1:] if path.is_file() else ():
            _, here, _, state, _, _, _, user, *_ = line.split()
            if state == _LISTENING and int(here.rpartition(":")[2], 16) == port:
                yield int(user)
