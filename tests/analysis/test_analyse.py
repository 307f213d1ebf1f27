"""The tables of reconstructions and latents follow the newest checkpoints, and nothing is computed twice."""

import pandas as pd
import pytest
from analysed import IWAE, PLANE, TMC
from twin import small, sweep

from tmc_sweep.analysis import analyse as module
from tmc_sweep.analysis.analyse import Analysed, analyse
from tmc_sweep.analysis.trained import choose
from tmc_sweep.data import load
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store.artefacts import LATENTS, RECONSTRUCTIONS, read_artefact


def of(found: list[Analysed], position: int) -> list[object]:
    return [analysed[position] for analysed in found]


def test_both_tables_of_both_trials(paths: SweepPaths):
    found = list(analyse(choose(paths)))
    assert [analysed[:4] for analysed in found] == [(IWAE, 2, 3, 20), (TMC, 2, 3, 20)]
    points = read_artefact(LATENTS, paths)
    assert len(points) == 80
    hits = (points["label"] == points["predicted"]).groupby(points["trial_id"]).mean()
    assert of(found, 4) == [hits[IWAE.trial_id], hits[TMC.trial_id]]
    assert len(read_artefact(RECONSTRUCTIONS, paths)) == 40


def test_what_is_there_is_not_computed_again(paths: SweepPaths, monkeypatch):
    found = list(analyse(choose(paths), samples=2, images=5))
    monkeypatch.setattr(module, "reconstructions", None)
    assert list(analyse(choose(paths), samples=2, images=5)) == found
    with pytest.raises(TypeError):
        list(analyse(choose(paths), samples=2, images=6))


def test_other_samples_or_another_epoch_replace_a_trials_rows(paths: SweepPaths):
    list(analyse(choose(paths)))
    sweep(paths, [small(**{**PLANE, "epochs": 3})], load("digits"))
    assert of(list(analyse(choose(paths))), 1) == [3, 2]
    list(analyse(choose(paths, [TMC.trial_id]), samples=7))
    for frame in (read_artefact(LATENTS, paths), read_artefact(RECONSTRUCTIONS, paths)):
        rows = frame[["trial_id", "epoch", "samples"]].drop_duplicates().itertuples(index=False, name=None)
        assert sorted(rows) == sorted([(IWAE.trial_id, 3, 3), (TMC.trial_id, 2, 7)])


def test_a_trial_without_a_plane_has_reconstructions_alone(tmp_path):
    paths = SweepPaths(tmp_path / "results", "tiny")
    config = small(epochs=1)
    sweep(paths, [config], load("digits"))
    assert list(analyse(choose(paths))) == [Analysed(config, 1, 2, 20, None)]
    assert read_artefact(LATENTS, paths).empty


def test_what_is_not_finite_is_not_stored(paths: SweepPaths, monkeypatch):
    monkeypatch.setattr(module, "reconstructions", lambda *_: [])
    monkeypatch.setattr(module, "latents", lambda *_: [])
    assert [analysed[3:] for analysed in analyse(choose(paths))] == [(0, None)] * 2
    assert not pd.concat([read_artefact(LATENTS, paths), read_artefact(RECONSTRUCTIONS, paths)]).size
