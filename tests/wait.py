"""Waiting for what happens beside a test: until it has happened, however slow the machine."""

import subprocess
import time
from collections.abc import Callable

HANGS_SECONDS = 600.0  # only what hangs takes as long


def wait_until(holds: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    """Until it holds, or this process has ended."""
    assert waited(lambda: holds() or (process is not None and process.poll() is not None))


def waited(holds: Callable[[], object], seconds: float = HANGS_SECONDS) -> bool:
    """Whether it holds, at last: at once if it does."""
    patience = time.monotonic() + seconds
    while not (held := bool(holds())) and time.monotonic() < patience:
        time.sleep(0.05)
    return held
