"""A cluster's head over SSH: shell scripts that run there, what they write, and search spaces that are sent there.

The connection is made by the system's `ssh`, by a command that `launcher` composes. What ssh itself complains about is
kept apart from what the script writes, so that an error can say which of the two failed.
"""

import base64
import gzip
import signal
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from shlex import quote
from types import FrameType
from typing import IO, Any

from tmc_sweep.commands import CLUSTER_FILE
from tmc_sweep.errors import CannotRunError, InputError, SweepInterruptedError
from tmc_sweep.space import SearchSpace
from tmc_sweep.text import last_line

Compose = Callable[[str, bool], list[str]]  # from a shell script, and whether on a terminal, to the ssh command

_ANSWER_SECONDS = 18.0  # for a short answer, connecting included
_ARGUMENT = 96 * 1024  # characters of a search space that is sent; Linux takes 128 KiB in one argument
_SSH_FAILED = 255  # ssh's own exit code
_NOT_FOUND = 127  # a shell's exit code for a program that is not there
_RESULTS = 'export TMC_SWEEP_RESULTS="${TMC_SWEEP_RESULTS:-$HOME/tmc_sweep_results}"'  # as jobs there have it


class HeadLostError(CannotRunError):
    """The connection to the head could not be made, broke, or took too long."""


class RefusedError(CannotRunError):
    """A script on the head ended with another exit code than 0, which is `code`."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Head:
    """The head of the cluster of a file; nothing is asked of it when this is made."""

    file: Path
    compose: Compose

    def run(self, script: str, *, terminal: bool = False, out: IO[str] | None = None) -> int:
        """Run a shell script there on our own streams, its output going to `out` if given; its exit code.

        On a `terminal` its two output streams are one, and keys such as Ctrl-C reach it. HeadLostError if the
        connection breaks, SweepInterruptedError after SIGTERM.
        """
        return self._ssh(script, terminal, stdin=None if terminal else subprocess.DEVNULL, stdout=out)[0]

    def ask(self, script: str) -> str:
        """What a shell script there writes, stripped; RefusedError if it fails, HeadLostError after 18 s."""
        with tempfile.TemporaryFile() as written:
            self.fetch(script, written, _ANSWER_SECONDS)
            written.seek(0)
            return written.read().decode(errors="replace").strip()

    def fetch(self, script: str, out: IO[bytes], seconds: float | None = None) -> None:
        """Write into `out` what a shell script there writes; RefusedError if it fails.

        HeadLostError if the connection breaks, or it takes longer than these seconds.
        """
        streams = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": subprocess.PIPE}
        code, complaint = self._ssh(script, False, seconds, **streams)
        if code:
            raise RefusedError(
                f"a command on the head of {self.file} must end well, but ended with {code} "
                f"({complaint.rstrip('.')}): look at the head",
                code,
            )

    def check_version(self) -> None:
        """CannotRunError unless the head has our version of tmc-sweep."""
        ours = f"tmc-sweep {version('tmc-sweep')}"
        try:
            theirs = self.ask("tmc-sweep --version")
        except RefusedError as refused:
            if refused.code != _NOT_FOUND:
                raise
            theirs = "no tmc-sweep"
        if theirs != ours:
            raise CannotRunError(
                f"the head of {self.file} must have {ours}, as this machine has, but has {theirs}: "
                f"run `ray up {self.file}` from the project's root, which installs it there"
            )

    def send(self, space: SearchSpace) -> str:
        """Store the search space in a file there; its path, quoted for a shell. InputError if it is too large."""
        packed = base64.b64encode(gzip.compress(space.text.encode(), mtime=0)).decode()
        if len(packed) > _ARGUMENT:
            raise InputError(
                f"a search space that is sent to a cluster must take at most {_ARGUMENT} characters when packed, but "
                f"{space.name!r} takes {len(packed)}: log in to the head and run it there"
            )
        folder = f'"$HOME"/.cache/tmc_sweep/{sha256(space.text.encode()).hexdigest()[:12]}'
        path, aside = f"{folder}/{space.name}.yaml", f"{folder}/sent.$$"
        self.ask(f"mkdir -p {folder} && base64 -d <<< {packed} | gunzip > {aside} && mv {aside} {path}")
        return path

    def _ssh(self, script: str, terminal: bool, seconds: float | None = None, **streams: Any) -> tuple[int, str]:
        """Exit code of a shell script there, and the last line of its standard error where that is a pipe."""
        asked = f"export {CLUSTER_FILE}={quote(str(self.file))}"
        ssh, *rest = self.compose(f"{_RESULTS}; {asked}; {script}", terminal)
        with tempfile.NamedTemporaryFile("r", prefix="tmc_sweep-ssh-") as said:
            command = [ssh, "-E", said.name, "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", *rest]
            try:
                code, complaint = _ended(command, seconds, **streams)
            except subprocess.TimeoutExpired:
                raise self._lost(f"it does not within {seconds:g} s") from None
            if code == _SSH_FAILED:
                raise self._lost(last_line(said.read()) or complaint or "the connection broke")
        return code, complaint

    def _lost(self, why: str) -> HeadLostError:
        return HeadLostError(
            f"the head of {self.file} must answer over SSH, but {why.strip().rstrip('.')}: check that the cluster is "
            "up, its address, and the account and key under auth"
        )


def _ended(command: list[str], seconds: float | None, **streams: Any) -> tuple[int, str]:
    """Exit code of a program that ends when we do, also by SIGTERM, and the last line of its standard error."""
    received: list[int] = []
    program: subprocess.Popen[bytes] | None = None

    def end(number: int, _frame: FrameType | None) -> None:
        """Note the signal, and raise nothing: within Popen an exception would leave a program that nobody knows."""
        received.append(number)
        if program is not None:
            program.terminate()

    previous = signal.signal(signal.SIGTERM, end)
    try:
        with subprocess.Popen(command, **streams) as program:  # noqa: S603  # composed by Ray
            try:
                if received:  # while it was started
                    program.terminate()
                _, complaint = program.communicate(timeout=seconds)
            except BaseException:
                program.terminate()  # and not `kill`, so that ssh gives the terminal back as it was
                raise
    finally:
        signal.signal(signal.SIGTERM, previous)
    if received:
        raise SweepInterruptedError("stopped by SIGTERM", received[0])
    return program.returncode, last_line((complaint or b"").decode(errors="replace"))
