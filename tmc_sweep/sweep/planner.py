"""What is left to train, and in which packs. Needs neither Ray nor the training code."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from tmc_sweep.config import TrialConfig
from tmc_sweep.records import Status
from tmc_sweep.tables.trials import TrialRow


def missing(configs: Sequence[TrialConfig], rows: Mapping[str, TrialRow]) -> list[TrialConfig]:
    """The trials that, by the trial table's rows, have epochs left or failed; diverged and stopped ones never are."""
    return [config for config in configs if _is_missing(config, rows.get(config.trial_id))]


def _is_missing(config: TrialConfig, row: TrialRow | None) -> bool:
    if row is None or row["status"] == Status.FAILED:
        return True
    ended = row["status"] in (Status.DIVERGED, Status.STOPPED)
    return not ended and row["epochs_done"] < config.epochs


def packs(
    configs: Sequence[TrialConfig],
    size: Callable[[Sequence[TrialConfig]], int],
    key: Callable[[TrialConfig], str],
    recorded: Sequence[Sequence[str]] = (),
    limit: int | None = None,
) -> list[tuple[TrialConfig, ...]]:
    """The trials in packs, in the order of their first members.

    Trials in one of the `recorded` packs stay together, at most `limit` of them if there is a limit. The others join
    those with an equal key, as many as `size` says of all of these.
    """
    order = {config.trial_id: position for position, config in enumerate(configs)}
    left = {config.trial_id: config for config in configs}
    groups = [
        chunk
        for names in recorded
        for chunk in _chunks([left.pop(name) for name in names if name in left], limit or len(names))
    ]
    alike: defaultdict[str, list[TrialConfig]] = defaultdict(list)
    for config in left.values():
        alike[key(config)].append(config)
    groups += [chunk for group in alike.values() for chunk in _chunks(group, size(group))]
    return sorted(groups, key=lambda group: order[group[0].trial_id])


def _chunks(group: Sequence[TrialConfig], size: int) -> list[tuple[TrialConfig, ...]]:
    return [tuple(group[i : i + size]) for i in range(0, len(group), size)]
