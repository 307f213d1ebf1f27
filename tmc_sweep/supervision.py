"""A run in a child of a process that waits for it: Ray may end the child in any of its calls, with code 1 and no word.

That is told by who waits. The child has a process group of its own, so that a signal from a terminal, or to our group,
reaches it once, through us; it never outlives us.
"""

import atexit
import ctypes
import os
import signal
from contextlib import suppress
from typing import NoReturn

from tmc_sweep.errors import cluster_lost
from tmc_sweep.text import visible

_PASSED_ON = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}
_HEARD = {*_PASSED_ON, signal.SIGTSTP, signal.SIGCHLD}
_END_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_SHOW_CURSOR = "\033[?25h\n"  # a live table hides it


def supervised() -> None:
    """Go on in a child; this process passes signals on to it and ends as it does. Returns in the child alone."""
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


def _stand_by(child: int, orderly: int) -> NoReturn:
    """Pass signals on until the child has ended, and end as it did."""
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
        os.write(2, f"{_SHOW_CURSOR if os.isatty(2) else ''}tmc-sweep: {visible(error)}\n".encode())
        code = error.exit_code
    if code < 0:
        with suppress(OSError):  # SIGKILL has no other handler
            signal.signal(-code, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [-code])
        os.kill(os.getpid(), -code)
    os._exit(code)


def _has_ended(child: int) -> bool:
    """Whether it is there to be waited for; it may only have stopped, or gone on."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
