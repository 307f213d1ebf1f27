"""What a sweep's search space, as it was last run, says: commands use its statistic unless told another one."""

from tmc_sweep.paths import SweepPaths
from tmc_sweep.space import SearchSpace
from tmc_sweep.space.load import parse_stored
from tmc_sweep.space.schema import Statistic
from tmc_sweep.store.manifest import read_manifest


def last_run(paths: SweepPaths) -> SearchSpace | None:
    """The search space as last run; None if there is no manifest, or this version cannot read the text in it."""
    manifest = read_manifest(paths)
    return parse_stored(manifest.search_space, str(paths.manifest)) if manifest else None


def declared_statistic(paths: SweepPaths, last: int | None = None, metric: str | None = None) -> Statistic:
    """The statistic that the search space declares, with `last` and `metric` in place of its own if they are given.

    They are not checked here. Without a known search space it is the default statistic.
    """
    space = last_run(paths)
    given = {name: value for name, value in (("last", last), ("metric", metric)) if value is not None}
    return (space.statistic if space else Statistic()).model_copy(update=given)
