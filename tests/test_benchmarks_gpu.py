"""The command for a machine with a GPU, tried with a processor in its place; how fast anything is, is not tested."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu import engines, halves, losses, run, setting, sharing, waits
from benchmarks.gpu.page import BEGIN, END, goals, section, write
from benchmarks.gpu.parts import ALL_SECONDS, PARTS, Part
from benchmarks.gpu.run import Options
from benchmarks.gpu.setting import Case, Setting
from benchmarks.suite import ROOT
from benchmarks.workload import training

pytestmark = pytest.mark.cluster

CPU = Setting("cpu")
WHERE = {
    "device": "cuda",
    "gpu": "NVIDIA H200",
    "gpu_bytes": 141 * 2**30,
    "processor": "Xeon",
    "python": "3.12.1",
    "torch": "2.14.1",
    "commit": "0123456789abcdef",
    "date": "2026-12-01",
}

PARTS_AS_PLANTED = """
import os, sys, time
part = sys.argv[-1]
print('{"of": "' + part + '"}', flush=True)
if part == "crashes":
    os.write(2, b"Traceback\\nRuntimeError: CUDA error: an illegal memory access\\n")
    os.abort()
while part == "hangs":
    time.sleep(60)
"""


def test_a_part_that_hangs_or_crashes_takes_nothing_from_the_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(run, "_COMMAND", (sys.executable, "-c", PARTS_AS_PLANTED))
    results = tmp_path / "gpu.json"
    parts = [Part("crashes", 60, ""), Part("hangs", -55, ""), Part("ends", 60, ""), Part("late", 60, "")]
    run.run(parts, Options("cpu", None, results, 65))
    found = json.loads(results.read_text())["parts"]
    assert {name: part["ended"] for name, part in found.items()} == {
        "crashes": "RuntimeError: CUDA error: an illegal memory access",
        "hangs": "its time was up",
        "ends": "well",
        "late": "well",
    }
    assert [found[name]["rows"] for name in ("crashes", "ends")] == [[{"of": "crashes"}], [{"of": "ends"}]]
    assert "illegal" in results.with_suffix(".log").read_text()
    run.run(parts[2:], Options("cpu", None, results, 0.5))
    assert {part["ended"] for part in json.loads(results.read_text())["parts"].values()} == {"no time was left"}


def test_all_parts_are_there_and_have_time():
    assert sum(part.seconds for part in PARTS) <= ALL_SECONDS < 9 * 60
    assert all((ROOT / "benchmarks" / "gpu" / f"{part.name}.py").is_file() for part in PARTS)


def test_what_must_travel_is_little_and_the_way_there_imports_no_more():
    needed = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", "--needs"], capture_output=True, text=True, cwd=ROOT
    )
    names = {line.partition("==")[0] for line in needed.stdout.splitlines()}
    direct = {"jaxtyping", "pydantic", "pydantic-core", "safetensors"}
    theirs = {"annotated-types", "typing-extensions", "typing-inspection", "wadler-lindig"}  # in some versions
    assert direct <= names <= direct | theirs


def test_on_a_machine_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch):
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    said = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu"], capture_output=True, text=True, cwd=ROOT, env=environment
    )
    assert said.stderr == (
        "torch must find a GPU, but finds none: run this on a machine with one, or try --device cpu\n"
    )


def test_other_weights_would_show_in_losses_and_gradients(monkeypatch: pytest.MonkeyPatch):
    case = Case(K=2)
    assert losses.compared(case, "cpu") == {"loss_off": 0.0, "gradient_off": 0.0, "equal": True}

    def other(config: Any, images: Any, device: str = "elsewhere") -> Any:
        pack = training(config, images)
        if device == "cpu":
            next(iter(pack.parameters.values())).data.mul_(1.001)
        return pack

    monkeypatch.setattr(losses, "training", other)
    assert not losses.compared(case, "cpu")["equal"]


def test_an_engine_that_trains_otherwise_would_show(monkeypatch: pytest.MonkeyPatch):
    for module in (engines, setting):
        monkeypatch.setattr(module, "ENGINES", ("eager",))
    trained, off = engines._trained, iter([1.0, 1.0, 1.0, 1.001])
    monkeypatch.setattr(
        engines, "_trained", lambda *given: [row * scale for scale in [next(off)] for row in trained(*given)]
    )
    ((same,), (other,)) = (list(engines.rows(CPU)) for _ in range(2))
    assert (same["same_bits"], same["parameters_off"], same["failed"]) == (True, 0.0, None)
    assert (other["same_bits"], other["parameters_off"]) == (False, pytest.approx(0.001, rel=1e-2))


def test_what_an_epoch_does_once_is_no_wait_of_a_step(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        waits, "_counts", lambda setting, case, batches: waits.Counter({waits._ON_A_CPU[0]: 7 + 3 * batches})
    )
    assert {row["host_waits"] for row in waits.rows(CPU)} == {3.0}


def test_too_large_a_pack_goes_on_in_halves_to_the_same_end():
    found = halves.halved(CPU, Case(K=2, members=4))
    assert found == {"bound_bytes": None, "together": "2", "done": 4, "objectives_off": 0.0}


def test_a_case_that_fails_is_a_row_and_the_others_go_on():
    def measure(case: Case) -> dict[str, object]:
        if case.K == 1:
            raise RuntimeError("CUDA error: misaligned address\nmore")
        return {"ms": 1.0}

    failed, well = CPU.each([Case(K=1), Case(K=2)], measure)
    assert (failed["K"], failed["failed"]) == (1, "RuntimeError: more")
    assert (well["ms"], well["failed"]) == (1.0, None)


@pytest.mark.parametrize("visible", [None, "3"])
def test_mps_is_begun_without_the_choice_of_gpus_and_ended(
    visible: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    daemon, said = tmp_path / sharing._DAEMON, tmp_path / "said"
    daemon.write_text(
        f'#!/bin/sh\necho "$1 ${{CUDA_VISIBLE_DEVICES-none}} $CUDA_MPS_PIPE_DIRECTORY" >> {said}\n'
        f'[ "$1" ] && {{ touch $CUDA_MPS_PIPE_DIRECTORY/control; exec sleep 60; }}\ncat >> {said}\n'
    )
    daemon.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with sharing.mps() as environment:
        place = environment["CUDA_MPS_PIPE_DIRECTORY"]
        assert Path(place).is_dir()
        assert environment.get("CUDA_VISIBLE_DEVICES") == visible
    assert said.read_text().splitlines() == [f"-f none {place}", f" none {place}", "quit"]


def rows_of(name: str) -> dict[str, Any]:
    return {"seconds": 3.0, "ended": "well", "rows": [{"K": 20, "ms": 0.65, "failed": None}, {"K": 50, "failed": name}]}


def test_a_gpus_figures_are_tables_and_a_processors_only_how_it_went(tmp_path: Path):
    results = {"where": WHERE, "parts": {part.name: rows_of("too late") for part in PARTS[:3]}}
    text = section(results)
    assert text.startswith("Measured on NVIDIA H200 of 141 GiB, in a machine with Xeon (Python 3.12.1, torch 2.14.1")
    assert f"### {PARTS[0].title}\n\n| K | ms | failed |\n| --- | --- | --- |\n| 20 | 0.650 |  |" in text
    assert "| waits | 2 | 3.00 | 40 | well |" in text
    assert "### Goals on a GPU\n\n| goal | at least | aim | reached |" in text
    page = tmp_path / "page.md"
    page.write_text(f"a\n{BEGIN}old\n{END}b\n")
    write(page, {**results, "where": {**WHERE, "device": "cpu"}})
    assert page.read_text().startswith(f"a\n{BEGIN}\n**Never run on a GPU.**")
    assert page.read_text().endswith(f"{END}b\n")
    assert "###" not in page.read_text()


def test_goals_are_reached_by_the_best_engine():
    small = {"architecture": "small", "objective": "tmc", "K": 20}
    found = goals(
        {
            "steps": [
                {**small, "members": n, "ms": ms} for n, ms in ((1, 7.0), (1, 0.5), (3, 7.1), (3, 0.75), (3, None))
            ],
            "epoch": [{**small, "hours_of_1200": hours} for hours in (0.5, 0.2)],
            "waits": [{**small, "members": 3, "failed": "no profiler"}],
        }
    )
    assert [row["reached"] for row in found] == [12.0, None, 1.5]
    assert [row["reached"] for row in goals({})] == [None] * 3


def test_the_page_has_the_place_for_it():
    page = (ROOT / "docs" / "performance.md").read_text()
    assert page.count(BEGIN) == page.count(END) == 1
