"""The manifest: which sweep this is, who made it, its search spaces as run, and who is trained together."""

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version

from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import EPOCH_COLUMNS, FORMAT_VERSION
from tmc_sweep.tables import files
from tmc_sweep.tables.schema import check_format, damaged, read_sweep_id
from tmc_sweep.tables.seal import PLACEHOLDER, is_sealed, sealed

_MARK = b'"sha256": "'  # quotes inside of a JSON string are escaped, so no text holds it


@dataclass(frozen=True)
class Manifest:
    """What `.tmc/<sweep>/manifest.json` holds."""

    format_version: int
    sweep_id: str  # random: tells this sweep's files from those of another of the same name
    created: str  # UTC, ISO 8601
    tmc_sweep: str  # version that last ran the sweep
    search_space: str  # the YAML text that was last run; empty if the sweep was not run from one
    packs: tuple[tuple[str, ...], ...]  # names of the trials trained together, as last begun; each trial once
    earlier_search_spaces: tuple[str, ...] = ()  # other texts that were run before, each once

    def search_space_named(self, name: str) -> str | None:
        """The text that a trial ran under, by the name that the trial table has for it; None if it is not on record."""
        texts = (self.search_space, *self.earlier_search_spaces)
        return next((text for text in texts if text and name_of(text) == name), None)


def read_manifest(paths: SweepPaths) -> Manifest | None:
    """The manifest, or None before the first run; StorageError if it is damaged or of a newer format."""
    content = files.read(paths.manifest)
    if content is None:
        return None
    try:
        fields = json.loads(content)
        check_format(paths.manifest, int(fields["format_version"]))
        del fields["sha256"]
        packs, earlier = tuple(map(tuple, fields["packs"])), tuple(fields.get("earlier_search_spaces", ()))
        manifest = Manifest(**{**fields, "packs": packs, "earlier_search_spaces": earlier})
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged(paths.manifest, f"it is damaged ({error!r})") from error
    if not is_sealed(content, _MARK):
        raise damaged(paths.manifest, "it is damaged (its SHA-256 is not the one it carries)")
    return manifest


def open_manifest(paths: SweepPaths, search_space: str | None = None, sweep_id: str = "") -> Manifest:
    """The manifest, made if it is missing, with this search space (as before if None), durably.

    One that is made has this `sweep_id`, or that of the epoch table, or a new one.
    """
    files.prepare(paths)
    stored = read_manifest(paths)
    created = datetime.now(UTC).isoformat()
    manifest = stored or Manifest(FORMAT_VERSION, sweep_id or _sweep_id(paths), created, "", "", ())
    now = manifest.search_space if search_space is None else search_space
    earlier = dict.fromkeys((*manifest.earlier_search_spaces, manifest.search_space))
    manifest = replace(
        manifest,
        tmc_sweep=version("tmc-sweep"),
        search_space=now,
        earlier_search_spaces=tuple(text for text in earlier if text not in ("", now)),
    )
    if manifest != stored:
        write_manifest(paths, manifest)
    return manifest


def name_of(search_space: str) -> str:
    """What the trial table calls a search space's text: the first 12 hex digits of its SHA-256."""
    return hashlib.sha256(search_space.encode()).hexdigest()[:12]


def write_manifest(paths: SweepPaths, manifest: Manifest) -> None:
    """Make this the manifest, durably; the caller holds the sweep's lock, and it follows from the stored one."""
    content = json.dumps({**asdict(manifest), "sha256": PLACEHOLDER}, indent=2).encode()
    files.write(paths.manifest, sealed(content, _MARK), paths.temporary)


def _sweep_id(paths: SweepPaths) -> str:
    """The id in the epoch table: one whose private files were removed is still this sweep's; else a new one."""
    first = paths.part(0)
    return read_sweep_id(first, EPOCH_COLUMNS) if first.name in files.names(paths.epochs) else secrets.token_hex(8)
