"""A place for commands that start Ray, where what they start can be found, and what they leave behind is seen."""

import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wait import HANGS_SECONDS, waited


class Place:
    """Everything that inherits `environment` is of this place, and its temporary files lie in one folder."""

    def __init__(self, temporary: Path) -> None:
        self._marker = f"TMC_TEST_{uuid.uuid4().hex}"
        self.temporary = temporary
        self.environment = {self._marker: "1", "RAY_TMPDIR": str(self.temporary), "TMPDIR": str(self.temporary)}

    def processes(self, *kinds: str) -> dict[int, str]:
        """Pid and command line of what runs here; of these kinds, if any are given."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if self._marker.encode() in (process / "environ").read_bytes():
                    line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                    found[int(process.name)] = line
        return {pid: line for pid, line in found.items() if line and any(kind in line for kind in kinds or [""])}

    def trainers(self) -> list[int]:
        """The processes that train."""
        return sorted(self.processes("ray::ResourceTrainable"))

    def running_after(self, seconds: float = HANGS_SECONDS) -> list[str]:
        """Command lines of what still runs then; at once if nothing does, which takes some of Ray's agents a minute."""
        waited(lambda: not self.processes(), seconds)
        return list(self.processes().values())

    def kill(self) -> None:
        """Kill all that runs here."""
        for pid in self.processes():
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    @property
    def files(self) -> list[str]:
        """Temporary files of ours or Ray's; torch has a cache there."""
        return sorted(path.name for path in self.temporary.iterdir() if path.name.startswith(("tmc", "ray")))


@contextmanager
def own_place() -> Iterator[Place]:
    """A place, at whose end nothing runs and no temporary file is left, or this fails."""
    temporary = Path(tempfile.mkdtemp(prefix="t-", dir="/tmp"))  # Ray's sockets need short paths
    try:
        with place_in(temporary) as place:
            yield place
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def place_in(temporary: Path) -> Iterator[Place]:
    """A place that shares the folder of temporary files with another."""
    place = Place(temporary)
    try:
        yield place
        assert (place.running_after(), place.files) == ([], [])
    finally:
        place.kill()
