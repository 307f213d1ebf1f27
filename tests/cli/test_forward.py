"""`--cluster FILE`: what of a command line travels to the head, and what comes back. The head is a stand-in here."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM
from typing import IO

import pytest
from command import command

from tmc_sweep.cli import forward
from tmc_sweep.cluster import fetch, launcher
from tmc_sweep.cluster.ssh import HeadLostError
from tmc_sweep.errors import SweepInterruptedError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.space import SearchSpace

GONE = HeadLostError("the head of c.yaml must answer over SSH, but the line is cut: check that the cluster is up")


@dataclass
class StandIn:
    """Ends each script with the next of these."""

    ends: list[int | BaseException] = field(default_factory=lambda: [0])
    scripts: list[str] = field(default_factory=list)
    spaces: list[SearchSpace] = field(default_factory=list)

    def check_version(self) -> None:
        pass

    def send(self, space: SearchSpace) -> str:
        self.spaces.append(space)
        return '"$HOME"/sent.yaml'

    def run(self, script: str, *, terminal: bool = False, out: IO[str] | None = None) -> int:
        self.scripts.append(script)
        if out is not None:
            out.write("said there\n")
        end = self.ends.pop(0)
        if isinstance(end, BaseException):
            raise end
        return end


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    stand_in = StandIn()
    monkeypatch.setattr(launcher, "find_head", lambda file: stand_in)
    monkeypatch.setattr(forward, "_PAUSES", (0.0, 0.0))
    return stand_in


@pytest.fixture
def fetched(results: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """What was brought; it is the small sweep of these tests."""
    found: list[tuple[str, Path]] = []

    def bring(head: object, name: str, folder: Path) -> SweepPaths:
        found.append((name, folder))
        return SweepPaths(results, name)

    monkeypatch.setattr(fetch, "fetch", bring)
    return found


@pytest.mark.parametrize(
    ("line", "script"),
    [
        ("status", "status"),
        ("status tiny --json --results /data/r", "status tiny --results=/data/r --json"),
        ("status tiny -w", "status tiny --watch"),
        ("summary tiny --last 7 --metric test_iwae --csv", "summary tiny --last=7 --metric=test_iwae --csv"),
        ("ls --json", "ls --json"),
        ("logs tiny -f", "logs tiny --follow"),
        ("stop tiny", "stop tiny"),
        ("best tiny --last 7", "best tiny --last=7"),
        ("claims tiny other --json", "claims tiny other --json"),
        ("compare tiny other --csv", "compare tiny other --csv"),
        ("differences tiny --by lr", "differences tiny --by=lr"),
        ("verify tiny", "verify tiny"),
        ("repair tiny", "repair tiny"),
        ("prune tiny --keep-gigabytes 1.5", "prune tiny --keep-gigabytes=1.5"),
        ("doctor", "doctor"),
    ],
)
def test_a_verb_is_done_there_with_its_own_arguments(head: StandIn, line: str, script: str):
    ended = command(*line.split(), "--cluster", "c.yaml")
    assert (ended.code, ended.err, head.scripts) == (0, "", [f"exec tmc-sweep {script}"])


def test_words_reach_the_head_whole(head: StandIn):
    command("logs", "a b; rm $x", "--cluster", "c.yaml")
    assert head.scripts == ["exec tmc-sweep logs 'a b; rm $x'"]


def test_what_this_machine_has_set_stays_here(head: StandIn, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TMC_SWEEP_RESULTS", "/mine")
    command("status", "tiny", "--cluster", "c.yaml")
    assert head.scripts == ["exec tmc-sweep status tiny"]


def test_its_exit_code_is_ours(head: StandIn):
    head.ends = [4]
    assert command("status", "tiny", "--cluster", "c.yaml").code == 4


def test_a_search_space_travels_with_its_overrides_in_it(head: StandIn, file: Callable[..., Path]):
    command("plan", file(), "--set", "epochs=9", "--max-trials", 50, "--json", "--cluster", "c.yaml")
    assert head.scripts == ['exec tmc-sweep plan "$HOME"/sent.yaml --max-trials=50 --json']
    assert {trial.epochs for trial in head.spaces[0].trials()} == {9}
    assert head.spaces[0].text.startswith("# --set epochs=9\n")


def test_a_file_is_not_written_there(head: StandIn):
    ended = command("best", "tiny", "-o", "best.yaml", "--cluster", "c.yaml")
    assert (ended.code, head.scripts) == (2, [])
    assert "with `tmc-sweep pull tiny --cluster c.yaml` first" in ended.err


def test_a_mistake_in_a_search_space_is_found_here(head: StandIn, file: Callable[..., Path]):
    ended = command("run", file(("epochs: 4", "epochs: 0")), "--cluster", "c.yaml")
    assert (ended.code, head.scripts) == (2, [])


def test_what_trains_there_is_ray(head: StandIn, fetched: list[tuple[str, Path]], file: Callable[..., Path]):
    refused = command("run", file(), "--executor", "inline", "--cluster", "c.yaml")
    assert (refused.code, head.scripts) == (2, [])
    assert "the Ray of that cluster, but got --executor inline: leave one out" in refused.err
    assert command("run", file(), "--cluster", "c.yaml").code == 0
    head.ends = [0]
    assert command("run", file(), "--executor", "ray", "--cluster", "c.yaml").code == 0
    assert head.scripts == ['exec tmc-sweep submit "$HOME"/sent.yaml --follow'] * 2


@pytest.mark.parametrize("code", [0, 1, 137])
def test_run_submits_follows_and_brings_the_tables(
    head: StandIn, fetched: list[tuple[str, Path]], file: Callable[..., Path], tmp_path: Path, code: int
):
    head.ends = [code]
    ended = command("run", file(), "--results", tmp_path, "--cluster", "c.yaml")
    assert head.scripts == ['exec tmc-sweep submit "$HOME"/sent.yaml --follow']
    assert fetched == [("tiny", tmp_path)]
    assert (ended.code, ended.out) == (code, "said there\n")  # which ends with the summary
    assert ended.err.startswith("tables, brought here: ")


def test_results_alone_are_on_stdout_where_they_are_for_a_program(
    head: StandIn, fetched: list[tuple[str, Path]], file: Callable[..., Path]
):
    ended = command("run", file(), "--json", "--cluster", "c.yaml")
    assert (len(ended.json), ended.err.partition("\n")[0]) == (2, "said there")


def test_a_quiet_run_says_only_what_went_wrong(
    head: StandIn, fetched: list[tuple[str, Path]], file: Callable[..., Path]
):
    head.ends = [0, 1]
    ended = command("run", file(), "-q", "--cluster", "c.yaml")
    assert (ended.out.partition(",")[0], "said there" in ended.err) == ("test_iwae", False)
    ended = command("run", file(), "-q", "--json", "--cluster", "c.yaml")
    assert (ended.code, ended.err.partition("\n")[0], len(ended.json)) == (1, "said there", 2)


@pytest.mark.parametrize("code", [2, 3, 75])
def test_nothing_is_brought_of_a_sweep_that_did_not_run(
    head: StandIn, fetched: list[tuple[str, Path]], file: Callable[..., Path], code: int
):
    head.ends = [code]
    ended = command("run", file(), "--cluster", "c.yaml")
    assert (ended.code, fetched, ended.out) == (code, [], "said there\n")


def test_a_broken_connection_is_made_again(head: StandIn, fetched: list[tuple[str, Path]], file: Callable[..., Path]):
    head.ends = [GONE, GONE, 0]
    ended = command("run", file(), "--cluster", "c.yaml")
    assert (ended.code, len(set(head.scripts)), len(head.scripts)) == (0, 1, 3)
    assert ended.err.count("trying again in 0 s") == 2


def test_one_that_stays_away_is_followed_again_by_the_same_command(head: StandIn, file: Callable[..., Path]):
    head.ends = [GONE, GONE, GONE]
    ended = command("run", file(), "--cluster", "c.yaml")
    assert ended.code == 3
    assert ended.err.splitlines()[-1].endswith("what runs there goes on, the same command follows it again")


@pytest.mark.parametrize(("end", "code"), [(KeyboardInterrupt(), 130), (SweepInterruptedError("", SIGTERM), 143)])
def test_a_signal_ends_the_following_only(head: StandIn, file: Callable[..., Path], end: BaseException, code: int):
    head.ends = [end]
    ended = command("run", file(), "--cluster", "c.yaml")
    assert ended.code == code
    assert "tiny runs on: the same command follows it again, `tmc-sweep stop tiny --cluster c.yaml`" in ended.err


def test_pull_asks_for_one_place():
    for given in ([], ["--cluster", "c.yaml", "--from", "/copy"]):
        ended = command("pull", "tiny", *given)
        assert (ended.code, "must be brought from one place" in ended.err) == (2, True)
