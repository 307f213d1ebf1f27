"""Every exception that a user may meet: one sentence each, and the exit code of the command that ends with it.

The sentence says what must hold, what there is instead, and what to do: `epochs must be a positive integer, but got 0:
leave it out`. The command line prints it without a traceback. In Python `except TmcSweepError` catches all of them; the
subclasses say who can mend the matter: the user's file (InputError), the machine (CannotRunError), what is stored
(StorageError and DamagedError), or nobody, since there is nothing wrong (SweepBusyError, SweepInterruptedError).
"""

from pathlib import Path
from typing import ClassVar


class TmcSweepError(Exception):
    """Base class of all exceptions of the package."""

    exit_code: ClassVar[int] = 1

    @property
    def lines(self) -> tuple[str, ...]:
        """The error's sentences, one a line; most errors have one."""
        return (str(self),)


class InputError(TmcSweepError):
    """A search space, configuration, argument, name or data file breaks a rule; exit code 2."""

    exit_code = 2


class CannotRunError(TmcSweepError):
    """The machine or the cluster lacks what is asked for, or cannot be reached; exit code 3."""

    exit_code = 3


def cluster_lost(what: str) -> CannotRunError:
    """The error of a sweep whose Ray cluster went away while it trained; `what` says which part of it ended."""
    return CannotRunError(f"a sweep's Ray cluster must stay until its end, but {what}: run the same command to resume")


class StorageError(TmcSweepError):
    """A table, checkpoint or copy cannot be read or written; exit code 4. The system's error, if any, is its cause."""

    exit_code = 4


class DamagedError(StorageError):
    """A stored file is missing or not as it was written, to the bit; `tmc-sweep repair NAME` mends it.

    `file` is its path, and `what` is what is wrong with it, in words that follow "but".
    """

    def __init__(self, file: Path, what: str, fix: str) -> None:
        super().__init__(file, what, fix)
        self.file = file
        self.what = what
        self._fix = fix

    def __str__(self) -> str:
        return f"{self.file} must be as tmc_sweep wrote it, but {self.what}: {self._fix}"


class NewerError(StorageError):
    """A newer version of tmc_sweep wrote a stored file, so this one can neither read nor mend it."""


class SweepBusyError(TmcSweepError):
    """Another process holds the sweep's lock; exit code 75, which means "try again later"."""

    exit_code = 75


class SweepInterruptedError(TmcSweepError):
    """A signal ended the sweep in order: all epochs that were finished are stored, and the same command goes on.

    The exit code is the shell's for a signal: 128 + its number, so 130 for Ctrl-C.
    """

    exit_code = 130

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number  # type: ignore[misc]
