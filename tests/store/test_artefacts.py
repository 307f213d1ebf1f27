"""The artefact tables: rows replace what they repeat, and two writers lose none."""

from datetime import UTC, datetime
from threading import Thread

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tmc_sweep.config import TrialConfig
from tmc_sweep.errors import StorageError
from tmc_sweep.records import fixed_values
from tmc_sweep.store import files
from tmc_sweep.store.artefacts import (
    ARTEFACTS,
    EVALUATIONS,
    LATENTS,
    RECONSTRUCTIONS,
    read_artefact,
    upsert,
)
from tmc_sweep.store.epochs import EpochTable
from tmc_sweep.store.lock import artefact_lock, sweep_lock
from tmc_sweep.store.manifest import open_manifest, read_manifest
from tmc_sweep.store.parquet import to_parquet


@pytest.fixture
def paths(paths):
    EpochTable.open(paths)
    return paths


def of(config: TrialConfig, **columns: object) -> dict[str, object]:
    return {**fixed_values(config), **columns}


def evaluation(seed: int = 0, epoch: int = 1, value: float = -1.0) -> dict[str, object]:
    measured = {"standard_error": 0.1, "seconds": 1.0, "time": datetime(2025, 1, 1, tzinfo=UTC)}
    return of(TrialConfig(seed=seed), epoch=epoch, bound="iwae", samples=10, value=value, **measured)


def latent(image: int, **columns: object) -> dict[str, object]:
    place = {"image": image, "label": 3, "x": 0.5, "y": -0.5, "predicted": 3}
    return of(TrialConfig(), epoch=1, samples=20, **place, **columns)


@pytest.mark.parametrize("artefact", ARTEFACTS, ids=lambda artefact: artefact.columns[-1].name)
def test_what_was_not_computed_is_an_empty_table_with_its_columns(paths, artefact):
    frame = read_artefact(artefact, paths)
    assert frame.empty
    assert list(frame.columns) == [column.name for column in artefact.columns]


def test_a_row_replaces_the_one_it_repeats_and_no_other(paths):
    upsert(EVALUATIONS, paths, [evaluation(), evaluation(seed=1)])
    upsert(EVALUATIONS, paths, [evaluation(value=-2.0), evaluation(epoch=2, value=-3.0)])
    frame = read_artefact(EVALUATIONS, paths)
    assert list(zip(frame["seed"], frame["epoch"], frame["value"], strict=True)) == [
        (1, 1, -1.0),
        (0, 1, -2.0),
        (0, 2, -3.0),
    ]
    pd.testing.assert_frame_equal(frame, pd.read_parquet(paths.evaluations))


def test_evaluations_of_before_image_values_were_kept_are_read_as_null_and_added_to(paths):
    upsert(EVALUATIONS, paths, [evaluation()])
    before = pq.read_table(paths.evaluations).drop_columns("image_values").replace_schema_metadata(None)
    paths.evaluations.write_bytes(to_parquet(before, read_manifest(paths).sweep_id))
    assert read_artefact(EVALUATIONS, paths)["image_values"].tolist() == [None]
    upsert(EVALUATIONS, paths, [{**evaluation(seed=1), "image_values": b"1234"}])
    assert read_artefact(EVALUATIONS, paths)["image_values"].tolist() == [None, b"1234"]


def test_a_trials_latents_are_replaced_whole(paths):
    upsert(LATENTS, paths, [latent(image) for image in range(3)])
    upsert(LATENTS, paths, [latent(7)])
    assert read_artefact(LATENTS, paths)["image"].tolist() == [7]


def test_pixels_come_back_to_the_bit(paths):
    pixels = bytes(range(256))
    row = of(TrialConfig(), epoch=1, samples=5, image=0, label=7, original=pixels, reconstruction=pixels[::-1])
    upsert(RECONSTRUCTIONS, paths, [row])
    (back,) = read_artefact(RECONSTRUCTIONS, paths).to_dict("records")
    assert (back["original"], back["reconstruction"]) == (pixels, pixels[::-1])


def test_a_table_names_its_sweep_and_one_of_another_sweep_is_not_added_to(paths):
    upsert(EVALUATIONS, paths, [evaluation()])
    stated = pq.read_metadata(paths.evaluations).metadata
    assert stated[b"tmc_sweep.sweep_id"].decode() == read_manifest(paths).sweep_id
    paths.manifest.unlink()
    with pytest.raises(StorageError, match=r"manifest\.json must be as tmc_sweep wrote it, but it is missing: mend it"):
        upsert(EVALUATIONS, paths, [evaluation()])
    open_manifest(paths, sweep_id="other")
    with pytest.raises(StorageError, match="it belongs to another sweep"):
        upsert(EVALUATIONS, paths, [evaluation()])


def test_it_is_written_beside_a_running_sweep_and_leaves_nothing_else(paths):
    with sweep_lock(paths):
        before = paths.manifest.read_bytes()
        upsert(EVALUATIONS, paths, [evaluation()])
        assert paths.manifest.read_bytes() == before
    assert list(paths.artefact_temporary.iterdir()) == []


def test_writers_wait_for_each_other_and_lose_no_row(paths):
    with artefact_lock(paths):
        writers = [Thread(target=upsert, args=(EVALUATIONS, paths, [evaluation(seed)])) for seed in range(4)]
        for writer in writers:
            writer.start()
        writers[0].join(0.2)
        assert not paths.evaluations.exists()
    for writer in writers:
        writer.join()
    assert sorted(read_artefact(EVALUATIONS, paths)["seed"]) == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["original", "objective"])
def test_a_small_file_that_holds_a_long_value_often_is_refused_before_it_is_written_out(paths, monkeypatch, name):
    images = {"image": 0, "label": 3, "original": b"1", "reconstruction": b"1"}
    upsert(RECONSTRUCTIONS, paths, [of(TrialConfig(), epoch=1, samples=20, **images)])
    monkeypatch.setattr(files, "MOST_BYTES", 2_000_000)
    table = pa.concat_tables([pq.read_table(paths.reconstructions)] * 5000)
    path = paths.reconstructions
    path.write_bytes(to_parquet(table, read_manifest(paths).sweep_id))
    assert len(read_artefact(RECONSTRUCTIONS, paths)) == 5000
    long = pa.array([b"1" * 10_000]).cast(table[name].type)
    value = pa.DictionaryArray.from_arrays(pa.array([0] * 5000), long)
    table = table.set_column(table.column_names.index(name), name, value)
    path.write_bytes(to_parquet(table, read_manifest(paths).sweep_id))
    assert path.stat().st_size < 10_000
    with pytest.raises(StorageError, match=r"must fit into half of this machine's memory, .* take about 0\.05"):
        read_artefact(RECONSTRUCTIONS, paths)
