"""Where every file of a sweep lives (results/README.md lists them)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tmc_sweep.errors import InputError

NAME_RULE = "1 to 64 characters out of a-z, 0-9, _ and -, the first a letter or digit"
_PART = re.compile(r"part-([0-9]{5})\.parquet")
_MOST_MISSING = 1000  # parts of a table, before another one
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_TABLE = re.compile(rf"({_NAME.pattern})\.[a-z]+\.parquet")  # one of a single file
_PRIVATE = ".tmc"


def is_name(name: str) -> bool:
    """Whether this can name a sweep, and with it files."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> str:
    """The name itself if it can name a sweep; else InputError."""
    if not is_name(name):
        raise InputError(f"a sweep's name must be {NAME_RULE}, but got {name!r}: choose another name, such as 'grid'")
    return name


def file_name(text: str) -> str:
    """What may name a file in any folder: at most 200 characters of the text, _ for those that could name a place."""
    return re.sub(r"^\.|[^ -.0-\[\]-~]", "_", text[:200])


def part_name(number: int) -> str:
    """File name of one part of an epoch table."""
    return f"part-{number:05d}.parquet"


def home_of(path: Path) -> tuple[Path, str]:
    """The folder of results, and the sweep in it, that a file belongs to, or the folder that is its epoch table."""
    if _PRIVATE in path.parts:
        position = path.parts.index(_PRIVATE)
        return Path(*path.parts[:position]), path.parts[position + 1]
    if table := _TABLE.fullmatch(path.name):
        return path.parent, table[1]
    folder = path if path.is_dir() else path.parent
    return folder.parent, folder.name


def part_number(name: str) -> int | None:
    """Which part a file of this name is; None if it is none."""
    match = _PART.fullmatch(name)
    return int(match[1]) if match else None


def part_numbers(names: Iterable[str]) -> list[int]:
    """The parts among these files, in order, less those that too many are missing before: another program's."""
    numbers = sorted(number for name in names if (number := part_number(name)) is not None)
    return [number for place, number in enumerate(numbers) if number - place <= _MOST_MISSING]


@dataclass(frozen=True)
class SweepPaths:
    """The files of the sweep `name` under the absolute folder `results`."""

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
        """The folder that is the epoch table: Parquet parts and nothing else."""
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
        """The attempts at training each trial: one Parquet file; sweeps of 0.1.0 have none."""
        return self.results / f"{self.name}.attempts.parquet"

    @property
    def summary(self) -> Path:
        """The summary of the last run: one Parquet file, derived."""
        return self.results / f"{self.name}.summary.parquet"

    @property
    def evaluations(self) -> Path:
        """What `evaluate` found: one Parquet file, derived from checkpoints."""
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
        """The tables of a single file each, all but the epoch table; each before those that speak of what is in it."""
        return (self.attempts, self.trials, self.summary, self.evaluations, self.reconstructions, self.latents)

    @property
    def figures(self) -> Path:
        """The folder of its figures, derived: PNG and SVG."""
        return self.results / f"{self.name}.figures"

    @property
    def report(self) -> Path:
        """Its page, derived: one HTML file."""
        return self.results / f"{self.name}.report.html"

    @property
    def private(self) -> Path:
        """What users need not look at; removing it gives up resuming in mid-trial."""
        return self.results / _PRIVATE / self.name

    @property
    def manifest(self) -> Path:
        """What identifies the sweep, its search space as last run, and who is trained together."""
        return self.private / "manifest.json"

    @property
    def published(self) -> Path:
        """What a published copy is known to hold; only copies have it."""
        return self.private / "published.json"

    @property
    def lock(self) -> Path:
        """Held by the one process that writes."""
        return self.private / "lock"

    @property
    def temporary(self) -> Path:
        """Files being written: on the results' own file system, so that a rename is atomic."""
        return self.private / "tmp"

    @property
    def artefact_lock(self) -> Path:
        """Held by the one process that writes evaluations, reconstructions or latents, which a running sweep allows."""
        return self.private / "artefacts.lock"

    @property
    def artefact_temporary(self) -> Path:
        """Those tables being written."""
        return self.private / "artefacts.tmp"

    @property
    def quarantine(self) -> Path:
        """What `repair` took out of the sweep, as it was found."""
        return self.private / "quarantine"

    @property
    def checkpoints(self) -> Path:
        """A folder per trial."""
        return self.private / "checkpoints"
