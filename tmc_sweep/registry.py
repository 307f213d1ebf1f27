"""Names that stand for code: bounds, models, data sets, search algorithms and stopping rules.

What is built in goes by a plain word (`tmc`, `vae`, `mnist`), what is of one's own by its import path,
`package.module:Name`. A search space may use either. An entry here holds the facts that planning needs, and says where
the code is. The code is imported when it is first used, so that neither this module nor reading what is stored loads
torch. An addition of one's own is one file that Python can import, and needs no line here:

    # mine.py                                              # base: {objective: "mine:renyi"} in a search space
    from tmc_sweep.registry import Bound

    def half(log_p, log_q):
        ...

    renyi = Bound("Rényi bound of order 1/2", half, needs_pairs=False)

Where the facts of an entry have defaults, its function or class alone will do: `mine:half`. To add something that is
built in, add an entry to one of the five registries at the end of this file.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from inspect import isabstract, signature
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from tmc_sweep.errors import InputError
from tmc_sweep.explain import OneOf, did_you_mean

Code = str | Callable[..., Any]  # an import path, `package.module:Name`, or what lies there
Entry = TypeVar("Entry")

OWN = "package.module:Name of one's own"
_WORD = "[A-Za-z_][A-Za-z0-9_]*"
_PATH = rf"{_WORD}(\.{_WORD})*"
_OWN = rf"{_PATH}:{_PATH}"


def is_own(name: str) -> bool:
    """Whether a name has the form `package.module:Name`, that of code of one's own."""
    return re.fullmatch(_OWN, name) is not None


def loaded(code: Code) -> Any:
    """The object at an import path, imported; the object itself if that is given.

    ImportError or AttributeError if there is nothing at the path; whatever the module raises when it is imported.
    """
    if not isinstance(code, str):
        return code
    module, _, name = code.partition(":")
    return attrgetter(name)(import_module(module))


def _takes(code: Any, **arguments: object) -> bool:
    """Whether an object can be called with these arguments, by its signature."""
    try:
        signature(code).bind(**arguments)
    except (TypeError, ValueError):
        return False
    return True


class Registry(Mapping[str, Entry], Generic[Entry]):
    """The entries of one kind, such as all bounds.

    As a mapping it holds those that are built in: `BOUNDS["tmc"]`, `for name in BOUNDS`. `find` also gives those of
    one's own, which it imports.
    """

    def __init__(
        self, what: str, made: str, entries: Mapping[str, Entry], entry_of: Callable[[str, Any], Entry | None]
    ) -> None:
        """A registry of entries by name.

        `what` is the noun for one of them, and `made` what one of one's own must be, both as messages say it.
        `entry_of` makes an entry of a name and the object that was found there; None if the object is no such thing.
        """
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
    def known(self) -> OneOf:
        """The annotation of a field whose value is such a name, built in or in the form of one's own, not imported."""
        return OneOf(tuple(self), OWN, f"^({'|'.join([*self, _OWN])})$")

    @property
    def rule(self) -> str:
        """What a name must be, in words that follow "must be"."""
        return self.known.rule

    def find(self, name: str) -> Entry:
        """The entry of this name, imported if it is of one's own.

        InputError if no entry has this name, the module cannot be imported, or what lies there is no such thing.
        """
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
    """A bound on log p(x): what is trained, recorded each epoch and evaluated.

    `function(log_p, log_q)` is given log-probability factors as objectives/bounds.py lays them out, in nats, with any
    leading dimensions. It returns a tensor of these leading dimensions, and each of its values must depend on no
    factors but its own. `needs_pairs`: it looks at pairs of samples of two latents; without, it must accept factors'
    diagonals, [..., 1, K], and may be given nothing else. `gradients` are the estimators that are unbiased for it.
    """

    title: str  # in words
    function: Code
    needs_pairs: bool = True
    gradients: tuple[str, ...] = ("std",)


@dataclass(frozen=True)
class Model:
    """A family of models: a class as models/interface.py describes it.

    `fields` names the fields that it reads of those that only some families know (`config.OF_MODELS`); None means all.
    A search space must leave the others out. `packed`: the class handles the members of a pack at once, with a leading
    dimension; a class without that is written for one model and called for one member after another. `shapes` is
    a function of a configuration: shapes of one member's parameters by name, without torch (tmc_sweep/shapes.py);
    without it the model is made and asked.
    """

    title: str  # in words
    family: Code
    fields: tuple[str, ...] | None = ("architecture",)
    packed: bool = False
    shapes: Code | None = None


@dataclass(frozen=True)
class Files:
    """The files of a data set: their names, and how they are found and downloaded."""

    names: tuple[str, ...]
    folder: str  # below the data root, where torchvision puts them
    torchvision: str  # the class of torchvision.datasets that knows their addresses and MD5s
    called: frozenset[str]  # folders whose name says that they hold this data set; names as letters and digits alone
    archives: frozenset[str] = frozenset()  # archives that hold all of the files; names likewise


@dataclass(frozen=True)
class DataSet:
    """A data set: its sizes, which planning needs without reading it, and the function that reads it.

    `read()` returns uint8 arrays: (training images, their labels, test images, their labels), or the two arrays of
    images alone. Images are [n, *shape] or [n, features], labels [n]. If the entry has `files`, `read` is handed the
    folder or archive in which they were found.
    """

    train_images: int
    test_images: int
    shape: tuple[int, ...]  # of one image: height, width and, if any, colours
    read: Code
    files: Files | None = None
    checksum: str | None = None  # SHA-256 of the four arrays, in their order
    mean: float | None = None  # of the training pixels, in [0, 1]: checked, with ten equal classes, without a checksum
    source: str | None = None  # what messages call it, if not by its name

    @property
    def n_features(self) -> int:
        """Pixel values of one image, over all colours."""
        return math.prod(self.shape)


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
            "hierarchical variational autoencoder",
            "tmc_sweep.models.vae:HierarchicalVAE",
            fields=None,
            packed=True,
            shapes="tmc_sweep.shapes:of_vae",
        )
    },
    lambda name, found: found if isinstance(found, Model) else Model(name, found) if callable(found) else None,
)
_IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")

DATA_SETS = Registry(
    "data set",
    "a DataSet",
    {
        "digits": DataSet(
            1_437,
            360,
            (8, 8),
            "tmc_sweep.images.formats:from_scikit_learn",
            checksum="0c699ee1b3bc1bc500b40944070efde66a8c5e6e73662466fad20af5d1e65d7e",
            source="scikit-learn's digits data set",
        ),
        "mnist": DataSet(
            60_000,
            10_000,
            (28, 28),
            "tmc_sweep.images.formats:from_idx",
            Files(_IDX, "MNIST/raw", "MNIST", frozenset({"mnist"})),
            checksum="06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16",
        ),
        "fashion_mnist": DataSet(
            60_000,
            10_000,
            (28, 28),
            "tmc_sweep.images.formats:from_idx",
            Files(_IDX, "FashionMNIST/raw", "FashionMNIST", frozenset({"fashionmnist"})),
            mean=0.2860,
        ),
        "cifar10": DataSet(
            50_000,
            10_000,
            (32, 32, 3),
            "tmc_sweep.images.formats:from_batches",
            Files(
                (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"),
                "cifar-10-batches-py",
                "CIFAR10",
                frozenset({"cifar10", "cifar10batchespy"}),
                frozenset({"cifar10pythontargz", "cifar10batchespytargz", "cifar10pythontgz", "cifar10batchespytgz"}),
            ),
            mean=0.4734,
        ),
    },
    lambda _, found: found if isinstance(found, DataSet) else None,
)
SAMPLERS: Registry[Code] = Registry(  # what makes a sampler of Optuna; "" where all cells are known beforehand
    "search algorithm",
    "what makes a sampler of Optuna's when called with seed=0",
    {"grid": "", "random": "", "tpe": "tmc_sweep.search.samplers:tpe"},
    lambda _, found: found if _takes(found, seed=0) else None,
)
STOPPING_RULES: Registry[Code] = Registry(
    "stopping rule",
    "a subclass of tmc_sweep.search.stopping_rule.StoppingRule that has `against`",
    {"asha": "tmc_sweep.search.asha:Asha", "median": "tmc_sweep.search.median:Median"},
    lambda _, found: found if hasattr(found, "is_due") and not isabstract(found) else None,
)
