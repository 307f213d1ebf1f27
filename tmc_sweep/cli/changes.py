"""What a search space changes about the sweep that was run before under its name: no change goes unnoticed."""

import difflib
from collections.abc import Iterator
from pathlib import Path

from tmc_sweep.paths import SweepPaths
from tmc_sweep.search.cells import known_trials
from tmc_sweep.space import SearchSpace, SpaceError
from tmc_sweep.space.source import document, tree
from tmc_sweep.store.earlier import WHY, is_earlier
from tmc_sweep.store.manifest import read_manifest
from tmc_sweep.store.read import stored_trials
from tmc_sweep.text import counted


def describe_changes(space: SearchSpace, results: Path) -> Iterator[str]:
    """Lines that say how the search space differs from the one last run under its name; none if it does not.

    Before them a line about trials of earlier numerics, if the sweep has any.
    """
    paths = SweepPaths(results, space.name)
    manifest = read_manifest(paths)
    stored = stored_trials(paths)
    if manifest is None or not stored:
        return
    if n_earlier := sum(map(is_earlier, stored.values())):
        yield (
            f"{space.name} keeps {counted(n_earlier, 'trial')} that are trained no further, since {WHY}: "
            "what it asks for of them is trained anew under other names"
        )
    before, now = _lines(manifest.search_space), _lines(space.text)
    if before == now:
        return
    asked = {config.trial_id for config in known_trials(space, stored)}
    known = asked & stored.keys()
    n_asked = max(len(asked), space.n_cells * len(space.seeds))
    yield (
        f"the search space of {space.name} has changed since its last run: {n_asked - len(known)} new trials, "
        f"{len(known)} known, {len(stored.keys() - asked)} only in the table, which keeps them"
    )
    for line in list(difflib.unified_diff(before, now, lineterm="", n=0))[2:]:
        if not line.startswith("@@"):
            yield f"  {line}"


def _lines(text: str) -> list[str]:
    """The YAML with a line for each value, without comments and layout; as it is if it cannot be read."""
    try:
        return document(tree(text, "")).splitlines()
    except SpaceError:
        return text.splitlines()
