"""Early stopping: cells end as wholes, by what is on record of the others, and a resumed sweep goes on so."""

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

from sent import begin, row
from twin import small

from tmc_sweep.config import TrialConfig
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import EpochRecord, Status
from tmc_sweep.search.cells import following
from tmc_sweep.search.curves import Curves
from tmc_sweep.search.early_stopping import Decisions, EarlyStopping, fair_order
from tmc_sweep.search.median import Median
from tmc_sweep.space.schema import Scheduler, Statistic
from tmc_sweep.store.manifest import Decision
from tmc_sweep.store.messages import Ack, Report, Started
from tmc_sweep.store.read import read_curves
from tmc_sweep.store.recorder import Recorder
from tmc_sweep.store.trials import missing

NAN = float("nan")
VAL = Statistic(metric="val_iwae", last=50, mode="max")
ASHA = Scheduler(algorithm="asha", last=1, grace_epochs=2, reduction=2)
MEDIAN = Scheduler(algorithm="median", last=2, grace_epochs=3)


def cells(n: int, seeds: int = 1, epochs: int = 20) -> list[list[TrialConfig]]:
    return [[small(lr=1e-3 * (cell + 1), seed=seed, epochs=epochs) for seed in range(seeds)] for cell in range(n)]


def epoch(config: TrialConfig, number: int, value: float) -> EpochRecord:
    return replace(row(number, config=config), val_iwae=value)


class Sweep:
    """Cells that report one after another."""

    def __init__(
        self,
        scheduler: Scheduler,
        of: Sequence[Sequence[TrialConfig]],
        mode: str = "max",
        decisions: Decisions = MappingProxyType({}),
    ) -> None:
        self.curves = Curves("val_iwae", {})
        self.curves.add([config for cell in of for config in cell])
        self.stopping = EarlyStopping(scheduler, VAL.model_copy(update={"mode": mode}), self.curves, decisions)

    def train(self, config: TrialConfig, *values: float) -> dict[str, str]:
        """The trial's epochs from the first on, until something is stopped; what that is."""
        for number, value in enumerate(values, 1):
            self.curves.take([epoch(config, number, value)])
            decision = self.stopping.decide(config.cell_id)
            if decision and decision.stop:
                return {member.trial_id: decision.stop for member in self.curves.cells[config.cell_id]}
        return {}


def test_asha_stops_at_a_rung_what_is_not_among_the_best_half_of_those_that_have_come_so_far():
    (a,), (b,), (c,), (d,) = of = cells(4)
    sweep = Sweep(ASHA, of)
    assert sweep.train(a, -9, -5, -5) == {}  # nobody to be compared with
    assert sweep.train(b, -1, -6) == {b.trial_id: "stopped by asha at epoch 2: 1 of 1 other cells are better there"}
    assert sweep.train(c, -1, -4, -1) == {}  # the best of three
    assert sweep.train(d, -1, -4.5, -1) == {}  # the second of four: two places
    assert sweep.train(a, -9, -5, -5, -8) == {}  # the first at the second rung
    assert list(sweep.train(c, -1, -4, -1, -9)) == [c.trial_id]


def test_the_share_that_goes_on_is_rounded_up():
    (a,), (b,), (c,), (d,), (e,) = of = cells(5)
    sweep = Sweep(Scheduler(algorithm="asha", last=1, grace_epochs=1, reduction=3), of)
    values = {a: -1, b: -4, c: -3, d: -2, e: -1.5}
    stopped = [config for config, value in values.items() if sweep.train(config, value, value)]
    assert stopped == [b, c]  # the second of two, of three; not the second of four, nor that of five


def test_of_two_equal_cells_both_go_on():
    (a,), (b,) = of = cells(2)
    sweep = Sweep(ASHA, of)
    assert [sweep.train(config, -5, -5, -5) for config in (a, b)] == [{}, {}]


def test_asha_has_rungs_at_the_grace_times_powers_of_the_reduction_and_nowhere_else():
    (a,), (b,) = of = cells(2)
    sweep = Sweep(ASHA.model_copy(update={"grace_epochs": 3}), of)
    best = [-1.0] * 20
    assert sweep.train(a, *best) == {}
    for values, at in (([-9.0] * 3, 3), ([-9, -9, -0.5, *[-9] * 3], 6), ([-9, -9, -0.5, -9, -9, -0.5, *[-9] * 6], 12)):
        (reason,) = Sweep.train(_after(of, a, best), b, *values).values()
        assert f"at epoch {at}:" in reason


def _after(of: list[list[TrialConfig]], first: TrialConfig, values: list[float]) -> Sweep:
    sweep = Sweep(ASHA.model_copy(update={"grace_epochs": 3}), of)
    sweep.train(first, *values)
    return sweep


def test_the_median_stops_what_is_below_it_once_three_others_have_come_so_far():
    of = cells(5)
    sweep = Sweep(MEDIAN, of)
    for (config,), value in zip(of[:3], (-1, -2, -3), strict=True):
        assert sweep.train(config, *[value] * 5) == {}
    assert sweep.train(of[3][0], *[-1.5] * 5) == {}
    last = of[4][0]
    assert sweep.train(last, -9, -9, -1) == {
        last.trial_id: "stopped by median at epoch 3: it is below the median of 4 other cells there"
    }  # the mean of its last two epochs is -5


def test_a_cell_at_the_median_goes_on_and_so_does_one_that_is_compared_with_two():
    rule = Median(MEDIAN)
    assert rule.against(-2, [-1, -2, -3]) is None
    assert rule.against(-2.1, [-1, -2, -3]) == "it is below the median of 3 other cells there"
    assert rule.against(-9, [-1, -2]) is None


def test_lower_may_be_better():
    (a,), (b,) = of = cells(2)
    sweep = Sweep(ASHA, of, mode="min")
    sweep.train(a, -5, -5)
    assert sweep.train(b, -6, -6, -6) == {}
    sweep = Sweep(ASHA, of, mode="min")
    sweep.train(a, -6, -6)
    assert list(sweep.train(b, -5, -5)) == [b.trial_id]


def test_a_cell_ends_as_a_whole_by_the_mean_of_its_seeds_when_all_have_come_so_far():
    first, second = of = cells(2, seeds=2)
    sweep = Sweep(ASHA, of)
    for config in first:
        sweep.train(config, -5, -5)
    assert sweep.train(second[0], -1, -1, -1) == {}  # the other seed is not there yet
    assert sweep.train(second[1], -20, -20).keys() == {config.trial_id for config in second}


def test_a_cell_with_a_seed_that_diverged_is_the_worst():
    first, second = of = cells(2, seeds=2)
    sweep = Sweep(ASHA, of)
    for config in first:
        sweep.train(config, -5, -5)
    sweep.train(second[0], NAN)  # and does not keep the other from the rung
    assert sweep.train(second[1], -1, -1).keys() == {config.trial_id for config in second}


def test_cells_begin_in_an_order_that_the_file_has_no_part_in():
    of = cells(12, seeds=2)
    up, down = ([config for cell in order for config in cell] for order in (of, of[::-1]))
    ordered = fair_order(up)
    assert ordered == fair_order(down)
    assert ordered not in (up, down)
    assert [config.seed for config in ordered] == [0, 1] * 12  # cell by cell


def test_a_cell_that_was_let_go_stays_so_when_its_rows_were_lost_and_others_have_come_since():
    (a,), (b,) = of = cells(2)
    for decisions, expected in (({}, 2), ({a.cell_id: Decision(2)}, 4), ({a.cell_id: Decision(4)}, 8)):
        sweep = Sweep(ASHA, of, decisions=decisions)
        sweep.train(b, *[-1] * 9)
        (why,) = sweep.train(a, *[-9] * 9).values()
        assert f"at epoch {expected}:" in why


def test_nothing_is_stopped_at_the_last_epoch():
    (a,), (b,) = of = cells(2, epochs=2)
    sweep = Sweep(ASHA, of)
    sweep.train(a, -5, -5)
    assert sweep.train(b, -6, -6) == {}


def _opened(paths: SweepPaths, configs: list[TrialConfig]) -> Recorder:
    recorder = Recorder.open(paths, configs)
    curves = Curves("val_iwae", read_curves(paths, "val_iwae"))
    curves.add(configs)
    recorder.decide_by(following(curves, EarlyStopping(ASHA, VAL, curves, recorder.decisions)))
    return recorder


def test_a_stopped_trial_takes_no_more_rows_and_is_not_trained_again(paths: SweepPaths):
    first, second = cells(2, seeds=2)
    recorder = _opened(paths, [*first, *second])
    for config in (*first, *second):
        assert isinstance(recorder.receive(begin(config)), Started)
    for config, value in zip((*first, *second), (-5, -5, -6, -7), strict=True):
        for number in (1, 2):
            recorder.receive(Report(config.trial_id, 1, (epoch(config, number, value),)))
    recorder.commit()
    assert recorder.receive(Report(second[0].trial_id, 1, (epoch(second[0], 3, -1),))) == Ack(refused=True)
    assert recorder.receive(begin(second[0])) == Ack(refused=True)
    again = _opened(paths, [*first, *second])  # from what is on disk
    rows = {config.trial_id: again.row(config.trial_id) for config in (*first, *second)}
    assert [rows[config.trial_id]["status"] for config in second] == [Status.STOPPED] * 2
    assert rows[second[0].trial_id]["epochs_done"] == 2
    assert missing([*first, *second], rows) == first


def test_after_a_restart_a_cell_is_compared_with_what_the_first_run_recorded(paths: SweepPaths):
    (a,), (b,) = of = cells(2)
    recorder = _opened(paths, [a, b])
    recorder.receive(begin(a))
    recorder.receive(Report(a.trial_id, 1, (epoch(a, 1, -5), epoch(a, 2, -5))))
    recorder.commit()
    recorder = _opened(paths, [config for cell in of for config in cell])
    recorder.receive(begin(b))
    recorder.receive(Report(b.trial_id, 1, (epoch(b, 1, -6), epoch(b, 2, -6))))
    assert recorder.row(b.trial_id)["status"] == Status.STOPPED
