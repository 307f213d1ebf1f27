"""Stored sweeps of every format version are read, verified and continued by this one; newer ones are refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from twin import outcomes, sweep, table

from tmc_sweep.config import TrialConfig
from tmc_sweep.data import load
from tmc_sweep.errors import StorageError
from tmc_sweep.integrity.verify import verify
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import MEANS, TRIAL_COLUMNS
from tmc_sweep.space.load import parse
from tmc_sweep.store import epochs, manifest, parquet, publish
from tmc_sweep.store.files import prepare
from tmc_sweep.store.manifest import read_manifest, write_manifest
from tmc_sweep.store.read import plain_rows, read_epochs, read_trials
from tmc_sweep.training import checkpoint, decode, encode, stated
from tmc_sweep.training.provenance import of_this_process

GOLDEN = Path(__file__).parent / "golden"
VERSIONS = sorted(path.name for path in GOLDEN.glob("v*"))
NEWEST = max(kind.VERSION for kind in (parquet, manifest, checkpoint, publish))


@pytest.fixture(params=VERSIONS)
def paths(request: pytest.FixtureRequest, tmp_path: Path) -> SweepPaths:
    shutil.copytree(GOLDEN / request.param, tmp_path / "results")
    return SweepPaths(tmp_path / "results", "golden")


def test_every_version_is_there_and_small():
    assert [f"v{version}" for version in range(1, NEWEST + 1)] == VERSIONS
    for version in VERSIONS:
        assert sum(path.stat().st_size for path in (GOLDEN / version).rglob("*")) < 100_000


def test_its_tables_are_read_and_it_is_whole(paths: SweepPaths):
    findings = verify(paths)
    assert findings.problems == ()
    assert (findings.parts, findings.trials, findings.epochs, findings.checkpoints) == (1, 2, 5, 2)
    frame, plain = read_epochs(paths.epochs), pd.read_parquet(paths.epochs)
    pd.testing.assert_frame_equal(frame[list(plain)], plain)
    assert frame.groupby("trial_id")["epoch"].max().tolist().count(3) == 1
    assert read_trials(paths.epochs)["status"].tolist() == ["done", "running"]
    assert f"v{read_manifest(paths).format_version}" in VERSIONS


def test_the_trials_have_the_names_that_they_had(paths: SweepPaths):
    trials = read_trials(paths.epochs)
    assert trials["trial_id"].tolist() == [TrialConfig.parse(json.loads(text)).trial_id for text in trials["config"]]


def test_columns_declared_since_are_null_or_as_all_trials_were_until_a_trial_is_trained_again(paths: SweepPaths):
    stored = pq.read_schema(paths.trials).names
    since = [column for column in TRIAL_COLUMNS if column.name not in stored]
    (absent,) = {tuple(row.values()) for row in plain_rows(read_trials(paths.epochs)[[c.name for c in since]])}
    assert absent == tuple(column.absent for column in since)
    configs = parse(read_manifest(paths).search_space, "golden.yaml").trials()
    sweep(paths, configs, load("digits"))
    assert pq.read_schema(paths.trials).names == [column.name for column in TRIAL_COLUMNS]
    _, again = plain_rows(read_trials(paths.epochs))
    assert {name: again[name] for name in MEANS} == {
        name: getattr(of_this_process("cpu", "eager"), name) for name in MEANS
    }


def test_it_is_continued_from_its_checkpoints(paths: SweepPaths):
    """Other torch builds give other bits, so the rows that are there are what must stay."""
    before = table(paths.epochs)
    configs = parse(read_manifest(paths).search_space, "golden.yaml").trials()
    sweep(paths, configs, load("digits"))
    frame = table(paths.epochs)
    assert len(frame) == 6
    known = frame.merge(before[["trial_id", "epoch"]])
    pd.testing.assert_frame_equal(outcomes(known), outcomes(before), check_exact=True)
    assert frame.merge(known, how="left", indicator=True)["_merge"].tolist().count("left_only") == 1


def newer_part(paths: SweepPaths) -> None:
    table = pq.read_table(paths.part(0))
    stated = {**table.schema.metadata, b"tmc_sweep.format_version": str(parquet.VERSION + 1).encode()}
    pq.write_table(table.replace_schema_metadata(stated), paths.part(0))


def newer_manifest(paths: SweepPaths) -> None:
    prepare(paths)
    write_manifest(paths, replace(read_manifest(paths), format_version=manifest.VERSION + 1))


@pytest.mark.parametrize("newer", [newer_part, newer_manifest])
def test_a_newer_table_or_manifest_is_refused(paths: SweepPaths, newer):
    configs = parse(read_manifest(paths).search_space, "golden.yaml").trials()
    newer(paths)
    with pytest.raises(StorageError, match=r"must have a format version up to \d, but has \d: use the newer tmc_sweep"):
        sweep(paths, configs, load("digits"))


def test_a_newer_checkpoint_is_refused(paths: SweepPaths):
    path = next(paths.checkpoints.rglob("*.safetensors"))
    payload = path.read_bytes()
    config = TrialConfig.parse(json.loads(stated(payload)["config"]))
    with pytest.raises(StorageError, match="must have format 1, but has 2: use the newer tmc_sweep that wrote it"):
        decode(encode(decode(payload, config)).replace(b'"format":"1"', b'"format":"2"'), config)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_published_copy_of_every_version_is_whole_fetched_and_continued(version: str, tmp_path: Path):
    shutil.copytree(GOLDEN / version.replace("v", "copy"), tmp_path / "copy")
    copy, here = SweepPaths(tmp_path / "copy", "golden"), SweepPaths(tmp_path / "results", "golden")
    assert verify(copy).problems == ()
    publish.fetch(str(copy.results), here)
    assert verify(here).problems == ()
    configs = parse(read_manifest(here).search_space, "golden.yaml").trials()
    sweep(here, configs, load("digits"))
    assert verify(here).problems == ()
    assert read_trials(here.epochs)["epochs_done"].tolist() == [3, 3]


def test_parts_of_mixed_versions_are_read_verified_and_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The first part as 0.1.0 wrote it, the second of a later version."""
    paths = SweepPaths(tmp_path / "results", "golden")
    shutil.copytree(GOLDEN / "v1", paths.results)
    configs = parse(read_manifest(paths).search_space, "golden.yaml").trials()
    monkeypatch.setattr(epochs, "TRIALS_PER_PART", 2)
    monkeypatch.setattr(parquet, "VERSION", parquet.VERSION + 1)
    third = configs[0].model_copy(update={"seed": 2})
    for _ in range(2):
        sweep(paths, [*configs, third], load("digits"))
        assert verify(paths).problems == ()
        assert read_epochs(paths.epochs).groupby("trial_id").size().tolist() == [3, 3, 3]
    versions = [pq.read_schema(path).metadata[b"tmc_sweep.format_version"] for path in sorted(paths.epochs.iterdir())]
    assert versions == [b"2", b"2"]  # the first has an epoch more
