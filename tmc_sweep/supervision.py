"""A run in a child process whose parent waits for it and says how it ended.

When this machine's Ray dies, Ray's own code ends the process that uses it, in the middle of any call, with exit code 1
and no message. Nothing inside that process could tell the user; its parent can. `tmc-sweep run` therefore calls
`supervised` first, which returns in a child only.

The child has a process group of its own. A signal from the terminal, or to our group, thus reaches only the parent,
which passes it on once. The kernel kills the child when the parent dies, so that it never outlives it.
"""

import atexit
import ctypes
import os
import signal
from contextlib import suppress
from typing import NoReturn

from tmc_sweep.errors import TmcSweepError, cluster_lost
from tmc_sweep.text import visible

_PASSED_ON = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}
_HEARD = {*_PASSED_ON, signal.SIGTSTP, signal.SIGCHLD}
_END_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_SHOW_CURSOR = "\033[?25h\n"  # a live table hides it


def supervised() -> None:
    """Go on in a child process; the parent passes signals on to it, and ends with its exit code or by its signal.

    Returns in the child alone.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    parent, (orderly, end) = os.getpid(), os.pipe()
    if child := os.fork():
        os.close(end)
        _stand_by(child, orderly)
    os.close(orderly)
    ctypes.CDLL(None).prctl(_END_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # it may write to the terminal
    atexit.register(os.write, end, b".")
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)


def say(error: TmcSweepError) -> None:
    """Write what an error says to stderr, where a live table may just be: for a process that ends at once after it."""
    os.write(2, f"{_SHOW_CURSOR if os.isatty(2) else ''}tmc-sweep: {visible(error)}\n".encode())


def _stand_by(child: int, orderly: int) -> NoReturn:
    """Pass signals on until the child has ended, then end as it did.

    `orderly` is a pipe into which a child that ends by itself writes a byte. Exit code 1 without it means that Ray
    ended the child, which is then told.
    """
    for number in _PASSED_ON:
        signal.signal(number, signal.SIG_DFL)  # one that is ignored would never be heard
    while (heard := signal.sigwaitinfo(_HEARD).si_signo) != signal.SIGCHLD or not _has_ended(child):
        if heard == signal.SIGTSTP:
            os.kill(child, signal.SIGSTOP)
            os.kill(os.getpid(), signal.SIGSTOP)
            os.kill(child, signal.SIGCONT)
        elif heard != signal.SIGCHLD:
            os.kill(child, heard)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 1 and not os.read(orderly, 1):
        error = cluster_lost("Ray ended the sweep's process, as it does when this machine's raylet is gone")
        say(error)
        code = error.exit_code
    if code < 0:
        with suppress(OSError):  # SIGKILL has no other handler
            signal.signal(-code, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [-code])
        os.kill(os.getpid(), -code)
    os._exit(code)


def _has_ended(child: int) -> bool:
    """Whether the child has ended. SIGCHLD alone does not say so: it also comes when the child stops or goes on."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
