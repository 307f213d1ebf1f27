"""`status --watch`: how far a sweep is, shown again and again from its tables, until nothing is left to train."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from tmc_sweep.cli.show import headline, status_view
from tmc_sweep.cli.status import sweep_status
from tmc_sweep.cli.terminal import tell
from tmc_sweep.records import OPEN

SECONDS = 2.0  # between two looks


def watch(results: Path, name: str, console: Console) -> None:
    """Show how far a sweep is until its trials have ended: in place on a terminal, a line per change elsewhere."""
    if not console.is_terminal:
        said = ""
        for status in _statuses(results, name):
            if (line := headline(status)) != said:
                tell(line, to=console)
            said = line
        return
    with Live(console=console, auto_refresh=False) as live:
        for status in _statuses(results, name):
            live.update(status_view(status), refresh=True)


def _statuses(results: Path, name: str) -> Iterator[dict[str, Any]]:
    while True:
        status = sweep_status(results, name)
        yield status
        if not any(status[f"n_{state}"] for state in OPEN):
            return
        time.sleep(SECONDS)
