"""What was aimed for, and whether the measured rows reach it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.suite import Rows


@dataclass(frozen=True)
class Goal:
    """A bound on one column of one benchmark's rows; where `aim` is below `least`, less is better."""

    name: str
    least: float
    aim: float
    benchmark: str = ""  # none: cannot be measured here
    column: str = ""
    where: Mapping[str, object] = field(default_factory=dict)  # the rows it is about

    def reached(self, measured: Mapping[str, Rows]) -> float | None:
        """The worst of its rows; None if there are none."""
        rows = measured.get(self.benchmark, [])
        values = [row[self.column] for row in rows if self.where.items() <= row.items()]
        worst = max if self._less_is_better else min
        return worst(values, default=None)

    def verdict(self, value: float | None, bound: float) -> str:
        """Whether `value` is within `bound`: yes or no, or nothing."""
        if value is None:
            return ""
        return "yes" if (value <= bound if self._less_is_better else value >= bound) else "no"

    @property
    def _less_is_better(self) -> bool:
        return self.aim < self.least


def goal_rows(measured: Mapping[str, Rows]) -> Rows:
    """One row a goal."""
    return [_row(goal, goal.reached(measured)) for goal in GOALS]


def _row(goal: Goal, value: float | None) -> dict[str, object]:
    bounds = {"at_least": goal.least, "aim": goal.aim}
    return {
        "goal": goal.name,
        **bounds,
        "reached": "not measured" if value is None else value,
        **{f"{name}_reached": goal.verdict(value, bound) for name, bound in bounds.items()},
    }


def _step(architecture: str, objective: str) -> dict[str, object]:
    return {"architecture": architecture, "objective": objective, "K": 20}


def _tpe(objective: str) -> Goal:
    name = f"best of 40 cells, {objective}: searches of 10 in which TPE's is not below random's"
    return Goal(name, 8.0, 10.0, "tpe_over_random", "tpe_not_worse", {"objective": objective, "searches": 10})


def _asha(by: str, what: str) -> tuple[Goal, Goal]:
    rows = {"scheduler": "asha", "by": by}
    return (
        Goal(f"ASHA, 40 cells, {what}: % of the grid's epochs", 40.0, 30.0, "search_stopping", "epochs_percent", rows),
        Goal(f"ASHA, 40 cells, {what}: % best found", 100.0, 100.0, "search_stopping", "best_found_percent", rows),
    )


GOALS = (
    Goal("small TMC step, K = 20: reference/ours", 3.5, 4.5, "step", "ratio", _step("small", "tmc")),
    Goal("large TMC step, K = 20: reference/ours", 4.0, 5.0, "step", "ratio", _step("large", "tmc")),
    Goal("small IWAE step, K = 20: reference/ours", 4.0, 5.0, "step", "ratio", _step("small", "iwae")),
    Goal("large IWAE step, K = 20: reference/ours", 4.5, 6.0, "step", "ratio", _step("large", "iwae")),
    Goal("peak memory, K = 20, worst of four: ours/reference", 1 / 4, 1 / 5, "step", "peak_ratio", {"K": 20}),
    Goal("peak memory, K = 50, worst of four: ours/reference", 1 / 8, 1 / 10, "step", "peak_ratio", {"K": 50}),
    Goal("TMC/IWAE, ours, K = 20, worst of two", 1.5, 1.25, "tmc_over_iwae", "tmc_over_iwae", {"K": 20}),
    Goal("TMC/IWAE, ours, K = 50, worst of two", 1.7, 1.4, "tmc_over_iwae", "tmc_over_iwae", {"K": 50}),
    Goal("evaluation of three bounds: reference/ours", 6.0, 8.0, "evaluation", "ratio", {"K": 20}),
    Goal("small TMC step, K = 20: % of matmul peak", 38.0, 55.0, "roofline", "percent_of_peak", _step("small", "tmc")),
    Goal("pack of 3 against one, K = 5, worst of two data sets", 2.6, 2.2, "pack", "ratio", {"members": 3, "K": 5}),
    Goal("pack of 3 against one, GPU", 1.6, 1.3),
    Goal("sweep, 24 trials × 100 epochs of digits: overhead %", 10.0, 5.0, "sweep", "overhead_percent", {"trials": 24}),
    Goal("durable writing, 24 trials × 20 epochs: % of wall", 2.0, 1.0, "driver", "writing_percent", {"trials": 24}),
    Goal("commit of a full part, 64 × 1200 epochs: ms", 50.0, 40.0, "commit", "commit_ms", {"epochs": 1200}),
    Goal("scheduling, 500 packs queued on three nodes: seconds a pack", 0.5, 0.25, "scale", "seconds_per_pack"),
    Goal("`run` on a running cluster: seconds to the first epoch", 15.0, 8.0, "scale", "first_epoch_seconds"),
    Goal("data path: CPU seconds per MNIST epoch", 0.2, 0.1, "data", "cpu_seconds", {"path": "ours"}),
    Goal(
        "plan from epochs on record, worst of two: % off what training took",
        20.0,
        10.0,
        "plan",
        "off_percent",
        {"planned_from": "epochs on record"},
    ),
    _tpe("formula"),
    _tpe("digits"),
    *_asha("run", "run"),
    *_asha("replay", "random orders, worst of three grids"),
    Goal("one H200, 1200 epochs, small, K = 20, 3 seeds in a pack: minutes", 20.0, 8.0),
)
