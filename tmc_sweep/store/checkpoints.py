"""The checkpoint files of a sweep: bytes are saved, and the same bytes, or none, are read again.

What is in them is for `training/checkpoint.py`; nothing here parses them. A file's name carries its epoch and the start
of its SHA-256: `.tmc/<sweep>/checkpoints/<trial_id>/epoch-000050-<16 hex digits>.safetensors`. So the file itself stays
a plain safetensors file, and there is no second file that could be lost or belong to another.
"""

import errno
import hashlib
import logging
import re
from pathlib import Path

from tmc_sweep.errors import InputError, StorageError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store import files
from tmc_sweep.store.seal import damaged

_NAME = re.compile(r"epoch-(\d{6,})-([0-9a-f]{16})\.safetensors")
_TRIAL_ID = re.compile(r"[0-9a-f]{12}")
_log = logging.getLogger(__name__)


class CheckpointFiles:
    """The checkpoints of a sweep's trials: of each the last two, should the newest turn out to be damaged.

    Who saves or removes some holds `sweep_lock`; reading needs no lock.
    """

    def __init__(self, paths: SweepPaths) -> None:
        self._paths = paths

    def save(self, trial_id: str, epoch: int, payload: bytes) -> Path:
        """Store the trial's checkpoint after this epoch, durably, and keep only the one before it; the file's path.

        Other files of this epoch or later ones are removed too: training went back beyond them, since they were broken.
        """
        folder = self._folder(trial_id)
        files.make_folder(self._paths.checkpoints)
        files.make_folder(folder)
        path = folder / f"epoch-{epoch:06d}-{_digest(payload)}.safetensors"
        files.write(path, payload, self._paths.temporary)
        earlier = [other for at, other in self.stored(trial_id) if at < epoch]
        for _, other in self.stored(trial_id):
            if other not in (path, *earlier[:1]):
                files.remove(other)
        return path

    def keep_last(self, trial_id: str) -> None:
        """Remove all but the trial's newest checkpoint."""
        for _, path in self.stored(trial_id)[1:]:
            files.remove(path)

    def drop(self, trial_id: str) -> None:
        """Remove the trial's checkpoints."""
        for _, path in self.stored(trial_id):
            files.remove(path)

    def sizes(self) -> dict[str, int]:
        """Bytes of the checkpoints of each trial that has a folder here."""
        return {trial_id: self.size(trial_id) for trial_id in self.trial_ids()}

    def size(self, trial_id: str) -> int:
        """Bytes of the trial's checkpoints."""
        return sum(files.size(path) for _, path in self.stored(trial_id))

    def latest(self, trial_id: str) -> tuple[int, bytes] | None:
        """Epoch and content of the trial's newest whole checkpoint; None if it has none.

        Broken ones are passed over, and a warning is logged. StorageError if one cannot be read for another reason.
        """
        for epoch, path in self.stored(trial_id):
            payload, broken = _read(path)
            if broken:
                pass_over(path, broken)
            elif payload is not None:
                return epoch, payload
        return None

    def read(self, path: Path) -> bytes | None:
        """The content of a checkpoint; None if it is gone, DamagedError if it is not as it was written."""
        payload, broken = _read(path)
        if broken:
            raise damaged(path, broken)
        return payload

    def trial_ids(self) -> list[str]:
        """The trials that have a folder here, with checkpoints or without."""
        folder = self._paths.checkpoints
        return [name for name in files.names(folder) if _TRIAL_ID.fullmatch(name) and not (folder / name).is_symlink()]

    def stored(self, trial_id: str) -> list[tuple[int, Path]]:
        """Epoch and file of each checkpoint, the newest first."""
        folder = self._folder(trial_id)
        matches = [match for name in files.names(folder) if (match := _NAME.fullmatch(name))]
        return sorted(((int(match[1]), folder / match[0]) for match in matches), reverse=True)

    def strays(self) -> list[Path]:
        """Files and folders among the checkpoints that are none, and that no run put there."""
        folder, trial_ids = self._paths.checkpoints, self.trial_ids()
        strays = [folder / name for name in files.names(folder) if name not in trial_ids]
        for trial_id in trial_ids:
            names = files.names(folder / trial_id)
            strays += [folder / trial_id / name for name in names if not _NAME.fullmatch(name)]
        return strays

    def _folder(self, trial_id: str) -> Path:
        if not _TRIAL_ID.fullmatch(trial_id):
            raise InputError(f"a trial's name must be 12 hex digits, but got {trial_id!r}: see the column trial_id")
        return self._paths.checkpoints / trial_id


def pass_over(path: Path, reason: str) -> None:
    """Log that this checkpoint cannot be used, and why."""
    _log.warning("%s is passed over for an earlier checkpoint, if there is one: %s", path, reason)


def _read(path: Path) -> tuple[bytes | None, str]:
    """The file's content, None if it is gone or broken; and what is broken about it, "" if nothing is."""
    try:
        payload = files.read(path)
    except StorageError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EIO:
            return None, f"its disk cannot read it ({error.__cause__.strerror})"
        raise
    if payload is not None and not path.stem.endswith(_digest(payload)):
        return None, "it is damaged (its SHA-256 is not the one in its name)"
    return payload, ""


def _digest(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()[:16]
