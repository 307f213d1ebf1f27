"""Where every file of a sweep lives; results/README.md lists the files and says what they hold.

    paths = SweepPaths(Path("results"), "grid")
    paths.part(0)    # results/grid/part-00000.parquet
    paths.trials     # results/grid.trials.parquet

Beside what users read, a sweep has a private folder, `.tmc/NAME`, for what a rerun goes on from: manifest, lock and
checkpoints.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tmc_sweep.errors import InputError

NAME_RULE = "1 to 64 characters out of a-z, 0-9, _ and -, the first a letter or digit"
_PART = re.compile(r"part-([0-9]{5})\.parquet")
_MOST_MISSING = 1000  # parts of a table that may be gone before one that is there
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_TABLE = re.compile(rf"({_NAME.pattern})\.[a-z]+\.parquet")  # a table of a single file, such as grid.trials.parquet
_PRIVATE = ".tmc"


def is_name(name: str) -> bool:
    """Whether a text follows NAME_RULE, so that it can name a sweep and its files."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> str:
    """The name itself; InputError if it cannot name a sweep."""
    if not is_name(name):
        raise InputError(f"a sweep's name must be {NAME_RULE}, but got {name!r}: choose another name, such as 'grid'")
    return name


def file_name(text: str) -> str:
    """A file's name made of any text: its first 200 characters, with _ for slashes and whatever else is unsafe."""
    return re.sub(r"^\.|[^ -.0-\[\]-~]", "_", text[:200])


def part_name(number: int) -> str:
    """File name of one part of an epoch table."""
    return f"part-{number:05d}.parquet"


def home_of(path: Path) -> tuple[Path, str]:
    """The results folder and the name of the sweep that one of its files, or its epoch table's folder, belongs to."""
    if _PRIVATE in path.parts:
        position = path.parts.index(_PRIVATE)
        return Path(*path.parts[:position]), path.parts[position + 1]
    if table := _TABLE.fullmatch(path.name):
        return path.parent, table[1]
    folder = path if path.is_dir() else path.parent
    return folder.parent, folder.name


def part_number(name: str) -> int | None:
    """The number of the part that a file of this name is; None if the name is not that of a part."""
    match = _PART.fullmatch(name)
    return int(match[1]) if match else None


def part_numbers(names: Iterable[str]) -> list[int]:
    """The numbers of the parts among these file names, in order.

    A part before which more than a thousand are missing was put there by another program, and is left out.
    """
    numbers = sorted(number for name in names if (number := part_number(name)) is not None)
    return [number for place, number in enumerate(numbers) if number - place <= _MOST_MISSING]


@dataclass(frozen=True)
class SweepPaths:
    """The paths of all files of the sweep `name` in the folder `results`, whether they are there or not.

    InputError if the name breaks NAME_RULE, or if one of the sweep's folders or tables is a symbolic link, which could
    lead out of the results folder.
    """

    results: Path
    name: str

    def __post_init__(self) -> None:
        check_name(self.name)
        object.__setattr__(self, "results", self.results.expanduser().resolve())
        private = (self.private.parent, self.private, self.temporary, self.checkpoints, self.quarantine)
        for path in (self.epochs, *self.tables, self.figures, *private, self.artefact_temporary):
            if path.is_symlink():
                raise InputError(
                    f"a sweep's files must lie inside {self.results}, but {path} is a symbolic link: remove it"
                )

    @classmethod
    def of_table(cls, table: str | Path) -> "SweepPaths":
        """The paths of the sweep whose epoch table is the folder `table`, such as `results/grid`."""
        folder = Path(table).absolute()
        return cls(folder.parent, folder.name)

    @property
    def epochs(self) -> Path:
        """The folder that is the epoch table: Parquet parts of 64 trials each, and nothing else."""
        return self.results / self.name

    def part(self, number: int) -> Path:
        """One part of the epoch table, numbered from 0; the first is there from the beginning."""
        return self.epochs / part_name(number)

    @property
    def study(self) -> Path:
        """The journal of an adaptive search: a view of the tables, written anew by each run."""
        return self.private / "study.journal"

    @property
    def trials(self) -> Path:
        """The trial table: one Parquet file."""
        return self.results / f"{self.name}.trials.parquet"

    @property
    def attempts(self) -> Path:
        """The attempt table, a row for each time that a trial was begun: one Parquet file; none in sweeps of 0.1.0."""
        return self.results / f"{self.name}.attempts.parquet"

    @property
    def summary(self) -> Path:
        """The summary of the last run: one Parquet file, derived."""
        return self.results / f"{self.name}.summary.parquet"

    @property
    def evaluations(self) -> Path:
        """Bounds with many samples, as `evaluate` computed them: one Parquet file, derived from checkpoints."""
        return self.results / f"{self.name}.evaluations.parquet"

    @property
    def reconstructions(self) -> Path:
        """Test images as the models reconstruct them: one Parquet file, derived from checkpoints."""
        return self.results / f"{self.name}.reconstructions.parquet"

    @property
    def latents(self) -> Path:
        """Two-dimensional last latents of the test images: one Parquet file, derived from checkpoints."""
        return self.results / f"{self.name}.latents.parquet"

    @property
    def tables(self) -> tuple[Path, ...]:
        """The tables of a single file each: all but the epoch table.

        Each comes before those that speak of its rows, so who writes them in this order never leaves a table that
        speaks of what is not there; who reads them while they change reads in the reverse order.
        """
        return (self.attempts, self.trials, self.summary, self.evaluations, self.reconstructions, self.latents)

    @property
    def figures(self) -> Path:
        """The folder of the sweep's figures, PNG and SVG, drawn from its tables."""
        return self.results / f"{self.name}.figures"

    @property
    def report(self) -> Path:
        """The sweep's page, made from its tables: one HTML file."""
        return self.results / f"{self.name}.report.html"

    @property
    def private(self) -> Path:
        """The sweep's private folder: lock, manifest, checkpoints. Without it no trial goes on in its middle."""
        return self.results / _PRIVATE / self.name

    @property
    def manifest(self) -> Path:
        """The manifest: the sweep's id, its search space as last run, its packs and its decisions."""
        return self.private / "manifest.json"

    @property
    def published(self) -> Path:
        """The index of a published copy: its files with their SHA-256. Only copies have it."""
        return self.private / "published.json"

    @property
    def lock(self) -> Path:
        """The lock file, locked by the one process that writes the sweep."""
        return self.private / "lock"

    @property
    def temporary(self) -> Path:
        """The folder of files being written, on the same file system as the results, so that a rename is atomic."""
        return self.private / "tmp"

    @property
    def artefact_lock(self) -> Path:
        """The lock file of evaluations, reconstructions and latents, which may be written while the sweep runs."""
        return self.private / "artefacts.lock"

    @property
    def artefact_temporary(self) -> Path:
        """The folder of these three tables being written, which a starting run must not clear."""
        return self.private / "artefacts.tmp"

    @property
    def quarantine(self) -> Path:
        """The folder of files that `repair` took out of the sweep, each as it was found."""
        return self.private / "quarantine"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints, in it a folder per trial."""
        return self.private / "checkpoints"
