"""Names that stand for code: a plain word for what is built in, `package.module:Name` for one's own.

An entry holds what planning must know of it, and where its code is, which is loaded when it is used: neither this
module nor reading what is stored imports it. An addition is one file that Python can import, and no line here:

    # mine.py                                              # base: {objective: "mine:renyi"} in a search space
    from tmc_sweep.registry import Bound

    def half(log_p, log_q):
        ...

    renyi = Bound("Rényi bound of order 1/2", half, needs_pairs=False)

Where the facts of an entry have defaults, its function or class alone will do: `mine:half`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from tmc_sweep.errors import InputError
from tmc_sweep.explain import did_you_mean

Code = str | Callable[..., Any]  # an import path, `package.module:Name`, or what lies there
Entry = TypeVar("Entry")

OWN = "package.module:Name of one's own"
_WORD = "[A-Za-z_][A-Za-z0-9_]*"
_PATH = rf"{_WORD}(\.{_WORD})*"
_OWN = rf"{_PATH}:{_PATH}"


def is_own(name: str) -> bool:
    """Whether a name has the form of what is not built in."""
    return re.fullmatch(_OWN, name) is not None


def loaded(code: Code) -> Any:
    """What lies at an import path; ImportError or AttributeError if nothing does."""
    if not isinstance(code, str):
        return code
    module, _, name = code.partition(":")
    return attrgetter(name)(import_module(module))


class Registry(Mapping[str, Entry], Generic[Entry]):
    """The entries of one kind: a mapping of those that are built in, and a door to those that are not."""

    def __init__(
        self, what: str, made: str, entries: Mapping[str, Entry], entry_of: Callable[[str, Any], Entry | None]
    ) -> None:
        """`what` they are, and what one is `made` of, in words; `entry_of` a name and an object, or None."""
        self.what = what
        self._made = made
        self._entries = MappingProxyType(dict(entries))
        self._entry_of = entry_of

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def rule(self) -> str:
        """What a name must be, worded to follow "must be"."""
        return f"one of {', '.join(self)}, or {OWN}"

    @property
    def pattern(self) -> str:
        """What a name looks like, as a regular expression; nothing is imported to know it."""
        return f"^({'|'.join([*self, _OWN])})$"

    def find(self, name: str) -> Entry:
        """The entry of this name, imported where it is not built in; InputError if there is none."""
        if name in self:
            return self[name]
        if not is_own(name):
            hint = did_you_mean(name, self) or ": choose one of them"
            raise InputError(f"a {self.what} must be {self.rule}, but got {name!r}{hint}")
        try:
            found = loaded(name)
        except Exception as error:  # whatever a module of others does
            said = str(error).splitlines()[:1] or [type(error).__name__]
            raise InputError(
                f"a {self.what} of one's own must be importable, but {name} is not ({said[0]}): "
                "correct the name, or put the folder of its file on PYTHONPATH"
            ) from error
        entry = self._entry_of(name.rpartition(":")[2], found)
        if entry is None:
            raise InputError(f"a {self.what} of one's own must be {self._made}, but {name} is {found!r:.80}: name one")
        return entry


@dataclass(frozen=True)
class Bound:
    """What is trained and evaluated: a function of (log_p, log_q), as objectives/bounds.py lays them out.

    It gives a tensor of the factors' leading dimensions, and mixes none of these. Without `needs_pairs` it takes the
    factors' diagonals too, which are all that it is then given. `gradients` are the estimators that are right for it.
    """

    title: str  # in words
    function: Code
    needs_pairs: bool = True
    gradients: tuple[str, ...] = ("std",)


@dataclass(frozen=True)
class Model:
    """A family of models: a class, as models/interface.py has it.

    `fields` are those that it reads of what only some families know (`OF_MODELS`): others must be left out. One that is
    `packed` is written for several members at once, others for one.
    """

    title: str  # in words
    family: Code
    fields: tuple[str, ...] = ("architecture",)
    packed: bool = False


OF_MODELS = ("architecture", "prior", "init", "weight_norm", "proposal", "gradient")

BOUNDS = Registry(
    "bound",
    "a Bound, or a function of (log_p, log_q)",
    {
        "elbo": Bound("ELBO", "tmc_sweep.objectives.bounds:elbo", needs_pairs=False, gradients=("std", "stl")),
        "iwae": Bound("IWAE bound", "tmc_sweep.objectives.bounds:iwae", needs_pairs=False, gradients=("std", "dregs")),
        "tmc": Bound("TMC bound", "tmc_sweep.objectives.bounds:tmc", gradients=("std", "dregs")),
    },
    lambda name, found: found if isinstance(found, Bound) else Bound(name, found) if callable(found) else None,
)
MODELS = Registry(
    "model",
    "a Model, or a class of torch's modules",
    {
        "vae": Model(
            "hierarchical variational autoencoder", "tmc_sweep.models.vae:HierarchicalVAE", OF_MODELS, packed=True
        )
    },
    lambda name, found: found if isinstance(found, Model) else Model(name, found) if callable(found) else None,
)
