"""Tables for other programs, read back as those programs read them."""

import math
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow.csv
import pytest
from command import command
from invented import flat, write

from tmc_sweep.errors import CannotRunError
from tmc_sweep.statistics.export import export
from tmc_sweep.store.read import read_epochs, read_trials

SPACE = """name: made
base: {data: digits, objective: iwae, epochs: 60}
space: {K: {grid_search: [2, 5]}}
seeds: 2
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An epoch table of four trials: three have 60 epochs, of which those of one end without a number."""
    results = tmp_path_factory.mktemp("made")

    def curve(config):
        values = flat(lambda config: -float(config.K), epochs=0 if (config.K, config.seed) == (2, 1) else 60)(config)
        if (config.K, config.seed) == (5, 1):
            values[-1] = math.nan
        return values

    write(results, SPACE, curve)
    return results / "made"


def of_trial(made: Path, k: int, seed: int) -> tuple[str, pd.DataFrame]:
    epochs = read_epochs(made).query(f"K == {k} and seed == {seed}")
    return epochs["trial_id"].iloc[0], epochs


def events(folder: Path) -> Iterator:
    """What lies in the folder's one event file: records of a length, its checksum, the content, its checksum."""
    from tensorboardX.proto.event_pb2 import Event

    (file,) = folder.iterdir()
    content, position = file.read_bytes(), 0
    while position < len(content):
        (length,) = struct.unpack_from("<Q", content, position)
        yield Event.FromString(content[position + 12 : position + 12 + length])
        position += 16 + length


def test_csv_has_both_tables_to_the_last_bit(made: Path, tmp_path: Path):
    assert export(made, "csv", tmp_path / "out") == 3
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["made.epochs.csv", "made.trials.csv"]
    exact = {"test_iwae": float}  # which the reader of pandas 3.0 is not
    frame = pd.read_csv(tmp_path / "out" / "made.epochs.csv", converters=exact)
    stored = read_epochs(made)
    assert frame.columns.tolist() == stored.columns.tolist()
    pd.testing.assert_series_equal(frame["test_iwae"], stored["test_iwae"], check_exact=True)
    assert frame["trial_id"].tolist() == stored["trial_id"].tolist()
    assert (pd.to_datetime(frame["time"]) == stored["time"]).all()
    assert len(pd.read_csv(tmp_path / "out" / "made.trials.csv")) == len(read_trials(made)) == 4


def test_csv_tells_null_from_what_is_not_finite(made: Path, tmp_path: Path):
    export(made, "csv", tmp_path / "out")
    only_empty = pyarrow.csv.ConvertOptions(null_values=[""])
    table = pyarrow.csv.read_csv(tmp_path / "out" / "made.epochs.csv", convert_options=only_empty)
    assert table["val_iwae"].null_count == len(table)
    assert (table["test_iwae"].null_count, table["test_iwae"].to_pandas().isna().sum()) == (0, 1)


def test_tensorboard_has_a_run_per_trial_with_its_parameters_and_epochs(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as missing:
        for name in ("tensorboardX", *(name for name in sys.modules if name.startswith("tensorboardX."))):
            missing.setitem(sys.modules, name, None)
        with pytest.raises(CannotRunError, match=r"needs the package tensorboardX, .*: pip install tensorboardX$"):
            export(made, "tensorboard", tmp_path / "out")
    assert export(made, "tensorboard", tmp_path / "out") == 3
    trial_id, epochs = of_trial(made, 5, 0)
    found = list(events(tmp_path / "out" / f"K=5 seed=0 {trial_id}"))
    values = [
        (event.step, value.simple_value) for event in found for value in event.summary.value if value.tag == "test_iwae"
    ]
    assert [step for step, _ in values] == list(range(1, 61))
    assert [value for _, value in values] == pytest.approx(epochs["test_iwae"].tolist(), rel=1e-6)
    assert {event.wall_time for event in found if event.step} == {epochs["time"].iloc[0].timestamp()}
    tags = {value.tag for event in found for value in event.summary.value}
    assert {"train_objective", "grad_norm", "epoch_seconds", "_hparams_/session_start_info"} <= tags
    assert not {"val_iwae", "attempt"} & tags
    (start,) = [v for e in found for v in e.summary.value if v.tag == "_hparams_/session_start_info"]
    assert b"batch_size" in start.metadata.plugin_data.content


def test_an_architecture_of_many_layers_makes_no_name_too_long_for_a_folder(tmp_path: Path):
    deep = {"latents": [64] * 40, "q_hidden": [100] * 40, "p_hidden": [77] * 40}
    write(tmp_path, f"{{name: deep, space: {{architecture: {{grid_search: [small, {deep}]}}}}}}", flat(lambda _: -30.0))
    assert export(tmp_path / "deep", "tensorboard", tmp_path / "out") == 2
    names = {path.name.split()[-1] for path in (tmp_path / "out").iterdir()}
    assert names == set(read_trials(tmp_path / "deep")["trial_id"])


def test_mlflow_has_a_run_per_trial_with_its_parameters_and_epochs(made: Path, tmp_path: Path):
    pytest.importorskip("mlflow", reason="needs mlflow-skinny")
    from mlflow.tracking import MlflowClient

    assert export(made, "mlflow", tmp_path / "out") == 3
    client = MlflowClient(tracking_uri=(tmp_path / "out").as_uri())
    experiment = client.get_experiment_by_name("made").experiment_id
    runs = {run.data.tags["trial_id"]: run for run in client.search_runs([experiment])}
    trial_id, epochs = of_trial(made, 5, 0)
    run = runs[trial_id]
    assert (len(runs), run.info.status, run.info.run_name) == (3, "FINISHED", f"K=5 seed=0 {trial_id}")
    assert (run.data.params["K"], run.data.params["objective"], run.data.tags["host"]) == ("5", "iwae", "one")
    history = client.get_metric_history(run.info.run_id, "test_iwae")
    assert [(point.step, point.value) for point in history] == list(
        zip(epochs["epoch"], epochs["test_iwae"], strict=True)
    )
    assert runs[of_trial(made, 5, 1)[0]].info.status == "FAILED"


def test_a_missing_package_is_one_sentence(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "mlflow.entities", None)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    ended = command("export", "made", "--to", "mlflow", "-o", tmp_path / "out", "--results", made.parent)
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (3, "", 1)
    assert ended.err.startswith("tmc-sweep: --to mlflow needs the package mlflow-skinny, but ")
    assert ended.err.endswith(": pip install mlflow-skinny\n")
    assert not (tmp_path / "out").exists()


def test_the_command_says_where_it_is_and_how_to_look_at_it(made: Path, tmp_path: Path):
    ended = command("export", "made", "--to", "tensorboard", "-o", tmp_path / "out", "--results", made.parent)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"made: 3 trials with epochs are in {tmp_path}/out: tensorboard --logdir {tmp_path}/out\n"


@pytest.mark.parametrize(
    ("name", "to", "folder", "code", "said"),
    [
        ("made", "tensorbord", "new", 2, "--to must be one of csv, tensorboard, mlflow, but got 'tensorbord': did you"),
        ("maid", "csv", "new", 2, "did you mean 'made'"),
        ("made", "csv", "full", 2, "holds something: choose another name"),
        ("made", "csv", "full/file", 4, "cannot be written"),
    ],
)
def test_a_mistake_is_one_sentence(made: Path, tmp_path: Path, name: str, to: str, folder: str, code: int, said: str):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    ended = command("export", name, "--to", to, "-o", tmp_path / folder, "--results", made.parent)
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (code, "", 1)
    assert said in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
