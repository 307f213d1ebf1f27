"""Every exception a user may meet: one sentence (rule, got, fix) and the exit code of the command that hits it."""

from pathlib import Path
from typing import ClassVar


class TmcSweepError(Exception):
    """Base of all of them."""

    exit_code: ClassVar[int] = 1

    @property
    def lines(self) -> tuple[str, ...]:
        """What is told, a sentence each."""
        return (str(self),)


class InputError(TmcSweepError):
    """A search space, configuration, name or data file breaks a rule."""

    exit_code = 2


class CannotRunError(TmcSweepError):
    """The machine or cluster lacks what the sweep asks for."""

    exit_code = 3


def cluster_lost(what: str) -> CannotRunError:
    """The error of a sweep whose cluster went away under it."""
    return CannotRunError(f"a sweep's Ray cluster must stay until its end, but {what}: run the same command to resume")


class StorageError(TmcSweepError):
    """The results cannot be read or written as they should."""

    exit_code = 4


class DamagedError(StorageError):
    """A stored file is not as it was written; `repair` mends it."""

    def __init__(self, file: Path, what: str, fix: str) -> None:
        super().__init__(file, what, fix)
        self.file = file
        self.what = what
        self._fix = fix

    def __str__(self) -> str:
        return f"{self.file} must be as tmc_sweep wrote it, but {self.what}: {self._fix}"


class NewerError(StorageError):
    """A newer version wrote a stored file: this one can neither read nor mend it."""


class SweepBusyError(TmcSweepError):
    """Another process is writing this sweep."""

    exit_code = 75


class SweepInterruptedError(TmcSweepError):
    """A signal ended the sweep; everything up to the last epoch boundary is stored."""

    exit_code = 130

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number  # type: ignore[misc]
