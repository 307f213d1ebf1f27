"""Every verb that reads a stored sweep, as a command in this process; what is written goes to a folder of its own."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from command import Ended, command
from stored import GOING, YAML

from tmc_sweep.paths import SweepPaths

OTHER = "other"  # a sweep to compare with
MENDING = ("repair", "prune")


def copied_as(paths: SweepPaths, name: str) -> SweepPaths:
    """The sweep again under another name, as one gives it by hand."""
    other = SweepPaths(paths.results, name)
    for path, copy in zip((paths.epochs, paths.private), (other.epochs, other.private), strict=True):
        shutil.copytree(path, copy)
    for path, copy in zip(paths.tables, other.tables, strict=True):
        if path.exists():
            shutil.copy(path, copy)
    return other


def verbs(paths: SweepPaths, scratch: Path) -> Mapping[str, tuple[object, ...]]:
    """The arguments of each verb, of the sweep that `stored.store` makes."""
    file = scratch / "tiny.yaml"
    file.write_text(YAML)
    name = paths.name
    return {
        "run": ("run", file, "--quiet"),
        "plan": ("plan", file, "--slots", "1"),
        "status": ("status", name),
        "statuses": ("status",),
        "summary": ("summary", name, "--last", "2"),
        "best": ("best", name, "--last", "2"),
        "compare": ("compare", name, OTHER, "--last", "2"),
        "differences": ("differences", name, "--by", "lr", "--last", "2"),
        "claims": ("claims", name),
        "evaluate": ("evaluate", name, "--objective", "iwae", "--samples", "2"),
        "analyse": ("analyse", name),
        "figures": ("figures", name),
        "report": ("report", name),
        "csv": ("export", name, "--to", "csv", "-o", scratch / "csv"),
        "tensorboard": ("export", name, "--to", "tensorboard", "-o", scratch / "tensorboard"),
        "reproduce": ("reproduce", GOING.trial_id, "--sweep", name),
        "verify": ("verify", name),
        "repair": ("repair", name),
        "prune": ("prune", name),
    }


def ends(paths: SweepPaths, scratch: Path, *names: str) -> Iterator[tuple[str, Ended]]:
    """How each of these verbs ends."""
    known = verbs(paths, scratch)
    for name in names or known:
        yield name, command(*known[name], "--results", paths.results)
