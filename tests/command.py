"""The command line: in this process where it is quick to be, in one of its own where signals and Ray are tested."""

import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tmc_sweep.cli import main

TMC_SWEEP = Path(sys.executable).with_name("tmc-sweep")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def command(*arguments: object) -> Ended:
    """Run `tmc-sweep <arguments>` in this process."""
    out, err = StringIO(), StringIO()
    code = 0
    with redirect_stdout(out), redirect_stderr(err), patch("sys.argv", ["tmc-sweep", *map(str, arguments)]):
        try:
            main(in_process=True)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Ended(code, out.getvalue(), err.getvalue())


def driver(run: subprocess.Popen[str]) -> int:
    """The process that does the work of a run, which the one that was started waits for."""
    return int(Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text())


def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Start `tmc-sweep <arguments>` in a process group of its own, as a shell does."""
    return subprocess.Popen(
        [TMC_SWEEP, *map(str, arguments)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
