"""The manifest: what a sweep remembers beside its tables, in one sealed JSON file, `.tmc/NAME/manifest.json`.

It has the sweep's id, its search spaces as they were run, which trials are trained together, and what was decided of
cells. A decision follows from what was on record at one moment, and cannot be made again later. So it is written here
before the rows that it follows from, and a run that finds it keeps to it.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import EPOCH_COLUMNS
from tmc_sweep.store import files, sealed_json
from tmc_sweep.store.parquet import read_sweep_id

VERSION = 2  # 1, of 0.1.0: without decisions, and without what a copy leaves out
_LEFT_OUT = ("checkpoints",)  # by a copy
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class Decision:
    """What a stopping rule decided of a cell when all of its seeds had come to this epoch."""

    epoch: Annotated[int, Field(ge=1)]
    stop: str | None = None  # why its trials end there, in one sentence; null: they go on


@dataclass(frozen=True, config=_STRICT)
class Manifest:
    """The content of a manifest. It is never changed, but replaced by another one (`write_manifest`)."""

    format_version: int
    sweep_id: str  # random: tells this sweep's files from those of another of the same name
    created: str  # UTC, ISO 8601
    tmc_sweep: str  # version that last ran the sweep
    search_space: str  # the YAML text that was last run; empty if the sweep was not run from one
    packs: tuple[tuple[str, ...], ...]  # names of the trials trained together, as last begun; each trial once
    earlier_search_spaces: tuple[str, ...] = ()  # other texts that were run before, each once
    decisions: Mapping[str, Decision] = field(default_factory=dict)  # by cell: the last one
    leaves_out: tuple[str, ...] = ()  # what a copy has not, of what the sweep has; nothing in the sweep itself

    def search_space_named(self, name: str) -> str | None:
        """The search space's text that has this name in the trial table's column; None if it is not on record."""
        texts = (self.search_space, *self.earlier_search_spaces)
        return next((text for text in texts if text and name_of(text) == name), None)


_KIND = TypeAdapter(Manifest)


def read_manifest(paths: SweepPaths) -> Manifest | None:
    """The sweep's manifest; None before its first run. StorageError if it is damaged or of a newer version."""
    content = files.read(paths.manifest)
    return None if content is None else parse_manifest(paths.manifest, content)


def parse_manifest(path: Path, content: bytes) -> Manifest:
    """The manifest that these bytes of the file `path` hold; errors as `read_manifest`."""
    return sealed_json.parse(path, content, _KIND, VERSION)


def open_manifest(paths: SweepPaths, search_space: str | None = None, sweep_id: str = "") -> Manifest:
    """The sweep's manifest with this search space as the one last run, durably; as before if None.

    One that is missing is made, with the id `sweep_id`, else that of the epoch table, else a new one. The caller holds
    the sweep's lock. Errors as `read_manifest`.
    """
    files.prepare(paths)
    stored = read_manifest(paths)
    if stored and is_copy(paths, stored):
        stored = replace(stored, leaves_out=_LEFT_OUT)
    created = datetime.now(UTC).isoformat()
    manifest = stored or Manifest(VERSION, sweep_id or _sweep_id(paths), created, "", "", ())
    now = manifest.search_space if search_space is None else search_space
    earlier = dict.fromkeys((*manifest.earlier_search_spaces, manifest.search_space))
    manifest = replace(
        manifest,
        format_version=VERSION,
        tmc_sweep=version("tmc-sweep"),
        search_space=now,
        earlier_search_spaces=tuple(text for text in earlier if text not in ("", now)),
    )
    if manifest != stored:
        write_manifest(paths, manifest)
    return manifest


def name_of(search_space: str) -> str:
    """The name of a search space's text in the trial table: the first 12 hex digits of its SHA-256."""
    return hashlib.sha256(search_space.encode()).hexdigest()[:12]


def write_manifest(paths: SweepPaths, manifest: Manifest) -> None:
    """Make this the sweep's manifest, durably. The caller holds the sweep's lock, and made it from the stored one."""
    files.write(paths.manifest, _as_bytes(manifest), paths.temporary)


def is_copy(paths: SweepPaths, manifest: Manifest) -> bool:
    """Whether the sweep is a copy, which has no checkpoints; a copy that 0.1.0 published is known by its index."""
    return bool(manifest.leaves_out) or (manifest.format_version == 1 and paths.published.exists())


def of_copy(path: Path, content: bytes) -> bytes:
    """The bytes of the manifest that a copy has, made from those of the file `path`: it says what a copy leaves out."""
    return _as_bytes(replace(parse_manifest(path, content), format_version=VERSION, leaves_out=_LEFT_OUT))


def _as_bytes(manifest: Manifest) -> bytes:
    return sealed_json.dump(manifest, _KIND)


def _sweep_id(paths: SweepPaths) -> str:
    """The id that the epoch table names, if there is one: its private files may have been removed; else a new one."""
    first = paths.part(0)
    return read_sweep_id(first, EPOCH_COLUMNS) if first.name in files.names(paths.epochs) else secrets.token_hex(8)
