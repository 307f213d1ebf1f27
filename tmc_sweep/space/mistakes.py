"""What a search space does wrong, where, and how all of it is told at once."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Self, TypeVar

from tmc_sweep.errors import InputError
from tmc_sweep.text import visible

MOST_TOLD = 20

_Item = TypeVar("_Item")
_Read = TypeVar("_Read")


class SpaceError(InputError):
    """A search space breaks a rule; the text begins with FILE:LINE:COLUMN, or FILE where it cannot be read at all.

    `missing` is the key that is not there, if it is about one. Of several such errors in one, a line each, `each` has
    them all, and the rest is the first one's.
    """

    def __init__(self, where: object, sentence: str, *more: "SpaceError", missing: str = "") -> None:
        self.where = where
        self.sentence = sentence
        self.missing = missing
        super().__init__("\n".join([visible(f"{where}: {sentence}"), *map(str, more)]))
        self.each = (SpaceError(where, sentence, missing=missing) if more else self, *more)

    @property
    def lines(self) -> tuple[str, ...]:
        """One for each."""
        return tuple(map(str, self.each))


class Mark(NamedTuple):
    """A position in a file, counted from 1; line 0 stands for what is in no file, such as a command's option."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def error(self, sentence: str, missing: str = "") -> SpaceError:
        """The error that this sentence (rule, got, fix) describes, here."""
        return SpaceError(self, sentence, missing=missing)


class Mistakes:
    """SpaceErrors of a `with` block, raised at its end as one: by position, of each position the first one found.

    What depends on a value that is wrong is best looked at after the block.
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
        """A part of the block, which goes on after it whatever its SpaceError."""
        try:
            yield
        except SpaceError as error:
            self.add(error)

    def add(self, error: SpaceError) -> None:
        """One more, or several; the block ends when there are more than are told."""
        self._note(error)
        if len(self._found) > MOST_TOLD:
            raise error

    def _note(self, error: SpaceError) -> None:
        for one in error.each:
            self._found.setdefault((one.where, one.missing), one)


def each(read: Callable[[_Item], _Read], items: Iterable[_Item]) -> list[_Read]:
    """What is read of each of the items; the SpaceErrors of all of them as one."""
    found = []
    with Mistakes() as mistakes:
        for item in items:
            with mistakes.apart():
                found.append(read(item))
    return found


def together(errors: Iterable[SpaceError]) -> SpaceError:
    """These, at least one, as one error: by position, and not all of very many."""
    first, *more = sorted(errors, key=_position)
    told = more[: MOST_TOLD - 1]
    if len(told) < len(more):
        told.append(SpaceError(more[len(told)].where, "there is more to correct from here on: correct these first"))
    return SpaceError(first.where, first.sentence, *told, missing=first.missing)


def _position(error: SpaceError) -> tuple[int, ...]:
    return error.where[1:] if isinstance(error.where, Mark) else (0,)
