"""Mistakes in a search space: where they are, and how all of them are told at once.

A user should not have to run `validate` once per mistake. So a `with Mistakes() as mistakes` block goes on after an
error in one of its parts, and raises what it found at its end, as one SpaceError with a line for each:

    with Mistakes() as mistakes:
        with mistakes.apart():
            base = settings(node, "base")       # a SpaceError here is noted
        with mistakes.apart():
            seeds = ...                         # and this part still runs
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Self, TypeVar

from tmc_sweep.errors import InputError
from tmc_sweep.text import visible

MOST_TOLD = 20  # mistakes; more are not looked for

_Item = TypeVar("_Item")
_Read = TypeVar("_Read")


class SpaceError(InputError):
    """A search space breaks a rule; the text begins with FILE:LINE:COLUMN, or with FILE if it cannot be read at all.

    One error may stand for several mistakes, with a line each: `each` lists them as errors of their own, and `where`,
    `sentence` and `missing` are those of the first. `missing` is the key that is not there, if a mistake is about one.
    """

    def __init__(self, where: object, sentence: str, *more: "SpaceError", missing: str = "") -> None:
        self.where = where
        self.sentence = sentence
        self.missing = missing
        super().__init__("\n".join([visible(f"{where}: {sentence}"), *map(str, more)]))
        self.each = (SpaceError(where, sentence, missing=missing) if more else self, *more)

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines of all mistakes, one each."""
        return tuple(map(str, self.each))


class Mark(NamedTuple):
    """A position in a file, counted from 1; line 0 means that it is no file, but an option such as `--set K=0`."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def error(self, sentence: str, missing: str = "") -> SpaceError:
        """A SpaceError at this position, with a sentence of rule, got and fix; to be raised."""
        return SpaceError(self, sentence, missing=missing)


class Mistakes:
    """The SpaceErrors of a `with` block, raised at its end as one, in the order of their positions.

    Of several at one position the first is kept. Code that uses the values read belongs after the block, where all of
    them are known to be right.
    """

    def __init__(self) -> None:
        self._found: dict[object, SpaceError] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, SpaceError):
            self._note(error)
        elif error:
            return
        if self._found:
            raise together(self._found.values()) from None

    @contextmanager
    def apart(self) -> Iterator[None]:
        """A part of the block; a SpaceError in it is noted, and the block goes on after it."""
        try:
            yield
        except SpaceError as error:
            self.add(error)

    def add(self, error: SpaceError) -> None:
        """Note an error; the block ends at once when more are noted than are told."""
        self._note(error)
        if len(self._found) > MOST_TOLD:
            raise error

    def _note(self, error: SpaceError) -> None:
        for one in error.each:
            self._found.setdefault((one.where, one.missing), one)


def each(read: Callable[[_Item], _Read], items: Iterable[_Item]) -> list[_Read]:
    """What `read` makes of each item, in order; the SpaceErrors of all of them are raised as one."""
    found = []
    with Mistakes() as mistakes:
        for item in items:
            with mistakes.apart():
                found.append(read(item))
    return found


def together(errors: Iterable[SpaceError]) -> SpaceError:
    """Several errors, at least one, as one error, in the order of their positions; at most MOST_TOLD are told."""
    first, *more = sorted(errors, key=_position)
    told = more[: MOST_TOLD - 1]
    if len(told) < len(more):
        told.append(SpaceError(more[len(told)].where, "there is more to correct from here on: correct these first"))
    return SpaceError(first.where, first.sentence, *told, missing=first.missing)


def _position(error: SpaceError) -> tuple[int, ...]:
    return error.where[1:] if isinstance(error.where, Mark) else (0,)
