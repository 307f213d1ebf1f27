"""A user's mistake: one sentence on stderr, nothing on stdout, the right exit code, nothing left behind."""

import errno
import os
import re
import socket
from pathlib import Path

import pytest
import ray
from command import Ended, command


@pytest.fixture(autouse=True)
def no_ray(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without a cluster, where starting Ray fails the test."""
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda *_, **__: pytest.fail("Ray was started"))
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))


def refusal(ended: Ended, code: int) -> str:
    """The sentence of a command that refuses with this code."""
    assert (ended.code, ended.out) == (code, "")
    assert "Traceback" not in ended.err
    lines = ended.err.strip().splitlines()
    assert len(lines) == 1
    return lines[0].removeprefix("tmc-sweep: ")


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("epochs=x", "--set epochs=x: epochs must be an integer from 1 to 1000000, but got 'x'"),
        ("epoch=3", "--set epoch=3: epoch is not a known key: did you mean 'epochs'?"),
        ("epochs", "--set must be field=value, such as epochs=10, but got 'epochs': write it so"),
    ],
)
def test_a_mistake_in_what_is_set(file, tmp_path: Path, assignment: str, says: str):
    results = tmp_path / "results"
    assert refusal(command("run", file(), "--set", assignment, "--results", results), 2).startswith(says)
    assert not results.exists()


@pytest.mark.parametrize(
    ("old", "new", "position", "says"),
    [
        ("epochs: 4", "epochs: 0", "10:11", "epochs must be an integer from 1"),
        ("epochs: 4", "epoch: 4", "10:3", "epochs"),
        ("  epochs: 4", "  epochs: 4\n  epochs: 5", "11:3", "epochs"),
        ("objective: iwae", "objective: iwea", "5:14", "did you mean 'iwae'"),
        ("[1e-3, 10]", "[1e-3, .nan]", "12:28", "lr"),
        ("seeds: 2", "seeds: true", "13:8", "seeds"),
        ("name: tiny", "name: ../x", "2:7", "a sweep's name must be"),
        ("name: tiny", f"name: {'x' * 300}", "2:7", "a sweep's name must be"),
        ("seeds: 2", "seeds: 1000000000", "11:1", "more than the limit of 100000"),
        ("version: 1", "version: [", "", ""),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place(
    file, tmp_path: Path, old: str, new: str, position: str, says: str
):
    results = tmp_path / "results"
    sentence = refusal(command("run", file((old, new)), "--results", results), 2)
    assert re.match(rf"{re.escape(str(tmp_path))}/tiny\.yaml:{position or '[0-9]+:[0-9]+'}: ", sentence)
    assert says in sentence
    assert not results.exists()


@pytest.mark.parametrize("verb", ["run", "plan", "validate", "submit"])
def test_each_verb_has_a_line_for_each_of_several_mistakes(file, tmp_path: Path, verb: str):
    results = tmp_path / "results"
    options = () if verb == "validate" else ("--results", results)
    ended = command(verb, file(("epochs: 4", "epochs: 0"), ("seeds: 2", "seeds: 0")), "--set", "K=0", *options)
    assert not results.exists()
    assert (ended.code, ended.out) == (2, "")
    first, *more = ended.err.splitlines()
    assert first.startswith("tmc-sweep: --set K=0: K must be")
    assert [line.split(": ")[0].removeprefix(f"{tmp_path}/") for line in more] == ["tiny.yaml:10:11", "tiny.yaml:13:8"]


@pytest.mark.parametrize("verb", ["run", "plan", "validate", "submit"])
def test_a_file_that_is_not_there(verb: str, tmp_path: Path):
    assert "none.yaml" in refusal(command(verb, tmp_path / "none.yaml"), 2)


def test_data_that_is_missing_offline_ends_the_run_before_anything_is_written(
    file, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr("tmc_sweep.exchange.exchange", offline)
    monkeypatch.setenv("TMC_SWEEP_DATA", str(tmp_path / "data"))
    results = tmp_path / "results"
    path = file(("data: digits", "data: mnist"))
    assert "downloadable, but there is nothing, and no network: put " in refusal(
        command("run", path, "--results", results), 2
    )
    assert "set TMC_SWEEP_DATA" in refusal(command("validate", path), 2)
    assert not results.exists()


@pytest.mark.parametrize(
    ("resources", "numbers"),
    [("{cpu: 512}", "asks for 512 CPU and 0 GPU"), ("{gpu: 64}", "asks for 1 CPU and 64 GPU")],
)
def test_resources_that_this_machine_never_has_are_refused_before_ray_starts(
    file, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resources: str, numbers: str
):
    monkeypatch.setattr(ray, "init", lambda **_: pytest.fail("Ray was started"))
    path = file(("seeds: 2", f"seeds: 2\nresources: {resources}"))
    assert numbers in refusal(command("run", path, "--results", tmp_path / "results"), 3)


@pytest.mark.parametrize(
    ("address", "says"),
    [("127.0.0.2:1", "a Ray cluster must answer at 127.0.0.2:1"), ("ray://127.0.0.1:1", "a Ray Client address")],
)
def test_a_cluster_that_does_not_answer_is_tried_once_at_most(
    file, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, says: str
):
    def connect(where: tuple[str, int], timeout: float) -> None:
        tried.append((where, timeout))
        raise TimeoutError

    tried: list[tuple[tuple[str, int], float]] = []
    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert says in refusal(command("run", file(), "--results", tmp_path / "results"), 3)
    assert tried == ([] if "//" in address else [(("127.0.0.2", 1), 3.0)])


def test_a_finished_sweep_needs_no_cluster(file, results: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    part = results / "tiny" / "part-00000.parquet"
    before = part.read_bytes()
    ended = command("run", file(), "--results", results, "--json")
    assert (ended.code, len(ended.json), part.read_bytes()) == (0, 2, before)


def test_results_that_cannot_be_a_folder(file, tmp_path: Path):
    results = tmp_path / "results"
    results.write_text("a file")
    assert str(results) in refusal(command("run", file(), "--results", results), 4)
    assert results.read_text() == "a file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_results_that_are_read_only(file, tmp_path: Path):
    results = tmp_path / "results"
    results.mkdir(mode=0o500)
    assert "make it writable" in refusal(command("run", file(), "--results", results), 4)


@pytest.mark.parametrize("verb", ["run", "repair", "prune"])
def test_a_file_system_that_is_read_only(file, results: Path, monkeypatch: pytest.MonkeyPatch, verb: str):
    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "fsync", read_only)
    monkeypatch.setattr(os, "ftruncate", read_only)
    argument = file() if verb == "run" else "tiny"
    sentence = refusal(command(verb, argument, "--results", results), 4)
    assert sentence.startswith(f"{results}")
    assert sentence.endswith("make it writable, or choose another results folder")


@pytest.mark.parametrize("planted", ["tiny", "tiny.trials.parquet", "tiny.summary.parquet", ".tmc", ".tmc/tiny"])
def test_a_planted_symlink_is_refused_and_not_followed(file, tmp_path: Path, planted: str):
    results, outside = tmp_path / "results", tmp_path / "outside"
    outside.mkdir()
    (results / planted).parent.mkdir(parents=True, exist_ok=True)
    (results / planted).symlink_to(outside)
    assert "is a symbolic link: remove it" in refusal(command("run", file(), "--results", results), 2)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize(
    ("verb", "name", "says"),
    [
        ("summary", "../x", "a sweep's name must be"),
        ("summary", "/etc", "a sweep's name must be"),
        *((verb, "tny", "did you mean") for verb in ("status", "summary", "verify", "repair", "prune")),
    ],
)
def test_the_name_of_no_sweep(results: Path, verb: str, name: str, says: str):
    assert says in refusal(command(verb, name, "--results", results), 2)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--last", "0"), "last must be an integer from 1 to 1000000, but got 0"),
        (("--last", 2**63), "last must be an integer from 1 to 1000000, but got 9223372036854775808"),
        (("--last", "-1"), "last must be an integer from 1 to 1000000, but got -1"),
        (("--metric", "test_iwea"), "did you mean 'test_iwae'"),
        (("--metric", ""), "metric must be one of"),
        (("--json", "--csv"), "a summary must have one format"),
    ],
)
def test_a_summary_that_cannot_be(results: Path, options: tuple[object, ...], says: str):
    assert says in refusal(command("summary", "tiny", "--results", results, *options), 2)


@pytest.mark.parametrize("arguments", [("frobnicate",), ("run",), ("run", "--frobnicate"), ("summary", "--last", "x")])
def test_a_mistake_in_the_command_itself(arguments: tuple[str, ...]):
    ended = command(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Usage: ")
