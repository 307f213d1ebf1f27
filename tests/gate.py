"""A gate for processes that train: a test says how far they go, and so knows where they are when it does something.

It is open at first. While it is closed, a pack that comes to it, so many epochs after it began, waits in the middle of
the next one, with all that it has sent on record, until the gate is open or the sweep is being stopped.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from wait import wait_until

from tmc_sweep.sweep import trainable, worker
from tmc_sweep.sweep.channel import QueueChannel

_VARIABLE = "TMC_TEST_GATE"
_NODE = os.getppid()  # the raylet that began this process


@dataclass(frozen=True)
class Gate:
    """A gate in a folder of its own, which must exist."""

    folder: Path
    hook: str = "gate.install"  # what Ray calls first in each process that works for the job

    @property
    def environment(self) -> dict[str, str]:
        """Of what starts Ray, and of who joins it."""
        folders = [str(Path(__file__).parent), str(Path(__file__).parent / "sweep"), os.environ.get("PYTHONPATH")]
        return {
            _VARIABLE: str(self.folder),
            "PYTHONPATH": os.pathsep.join(filter(None, folders)),
            "RAY_JOB_CONFIG_JSON_ENV_VAR": f'{{"runtime_env": {{"worker_process_setup_hook": "{self.hook}"}}}}',
        }

    def close(self, epochs: int) -> None:
        """Each pack that has trained so many epochs since it began is to wait."""
        aside = self.folder / "aside"
        aside.write_text(str(epochs))
        aside.rename(self._closed)

    def open(self) -> None:
        """Let those that wait go on."""
        self._closed.unlink(missing_ok=True)

    def lets(self, epochs: int) -> bool:
        """Whether a pack that has trained so many may train on."""
        try:
            return epochs != int(self._closed.read_text())
        except FileNotFoundError:
            return True

    def waits(self, pid: int) -> bool:
        """Whether this process has come to the closed gate."""
        return self.mark(pid).exists()

    def mark(self, pid: int) -> Path:
        """What lies there while it waits."""
        return self.folder / f"waits-{pid}"

    @property
    def _closed(self) -> Path:
        return self.folder / "closed"


class GatedChannel(QueueChannel):
    """Asked before each minibatch, it is where a pack waits: at the second one."""

    trained = 0  # epochs
    asked = 0  # in this epoch

    @property
    def stopping(self) -> bool:
        """Whether to drop the epoch."""
        self.asked += 1
        if self.asked == 2 and not _passes(self.trained):
            self.flush()
            mark = _gate().mark(os.getpid())
            mark.touch()
            wait_until(lambda: _passes(self.trained) or QueueChannel.stopping.__get__(self))
            mark.unlink()
        return QueueChannel.stopping.__get__(self)


class GatedRun(worker.PackRun):
    """Counts what it has trained."""

    _channel: GatedChannel

    def train_epoch(self) -> None:
        """One epoch more."""
        self._channel.asked = 0
        super().train_epoch()
        self._channel.trained += 1


def install() -> None:
    """Let this process train by the gate."""
    worker.PackRun, trainable.QueueChannel = GatedRun, GatedChannel


def _gate() -> Gate:
    return Gate(Path(os.environ[_VARIABLE]))


def _passes(epochs: int) -> bool:
    """A process whose node is lost goes no further, until it is ended too."""
    return _gate().lets(epochs) and os.getppid() == _NODE
