"""What is asked of a head, and its files: here `ssh` is a program that runs the script on this machine."""

import shutil
import signal
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from stored import YAML, store
from wait import HANGS_SECONDS

from tmc_sweep.cluster.fetch import _packing, fetch
from tmc_sweep.cluster.ssh import Head, HeadLostError
from tmc_sweep.errors import CannotRunError, InputError, StorageError, SweepInterruptedError
from tmc_sweep.integrity.repair import repair
from tmc_sweep.paths import SweepPaths
from tmc_sweep.space.load import parse
from tmc_sweep.store.read import read_epochs

SSH = """#!/bin/sh
shift 6
exec "$@"
"""


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Head:
    """One whose home is empty."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TMC_SWEEP_RESULTS", raising=False)
    (tmp_path / "home").mkdir()
    ssh = tmp_path / "ssh"
    ssh.write_text(SSH)
    ssh.chmod(0o755)
    return Head(Path("c.yaml"), lambda script, terminal: [str(ssh), "bash", "-c", script])


def test_it_answers_and_exit_codes_are_its_own(head: Head, capfd: pytest.CaptureFixture[str]):
    assert head.ask("echo one; echo two >&2") == "one"
    assert head.run("echo three; echo four >&2; exit 5") == 5
    assert capfd.readouterr() == ("three\n", "four\n")
    with pytest.raises(CannotRunError, match=r"ended with 5 \(why\): look at the head"):
        head.ask("echo why >&2; exit 5")


def test_commands_that_it_names_can_be_copied(head: Head):
    script = f"""exec {sys.executable} -c 'from tmc_sweep.commands import command; print(command("logs x -f"))'"""
    assert replace(head, file=Path("my c.yaml")).ask(script) == "`tmc-sweep logs x -f --cluster 'my c.yaml'`"


@pytest.mark.parametrize("verb", ["run", "ask"])
def test_a_connection_that_fails_says_what_ssh_says(tmp_path: Path, verb: str):
    cut = tmp_path / "ssh"
    cut.write_text('#!/bin/sh\necho "ssh: cut off." > "$2"\nexit 255\n')
    cut.chmod(0o755)
    head = Head(Path("c.yaml"), lambda script, terminal: [str(cut)])
    with pytest.raises(HeadLostError, match=r"the head of c.yaml must answer over SSH, but ssh: cut off: check that"):
        getattr(head, verb)("true")
    cut.write_text(SSH)
    assert replace(head, compose=lambda script, terminal: [str(cut), "sh", "-c", script]).run("true") == 0


@pytest.mark.parametrize("verb", ["run", "ask"])
def test_sigterm_ends_ssh_too(head: Head, tmp_path: Path, verb: str):
    goes_on = f"import pathlib, time; time.sleep({HANGS_SECONDS}); pathlib.Path('{tmp_path}/done').touch()"
    before = signal.signal(signal.SIGTERM, lambda *_: pytest.fail("nobody handles it"))
    try:
        with pytest.raises(SweepInterruptedError) as stopped:
            getattr(head, verb)(f'kill -TERM $PPID; exec {sys.executable} -c "{goes_on}"')
    finally:
        signal.signal(signal.SIGTERM, before)
    assert stopped.value.exit_code == 143
    assert not (tmp_path / "done").exists()


def test_sigterm_while_ssh_is_started_ends_it_too(head: Head, monkeypatch: pytest.MonkeyPatch):
    started = []

    class Interrupted(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            started.append(self)
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(SweepInterruptedError):
        head.ask(f"exec sleep {HANGS_SECONDS}")
    assert [program.returncode for program in started] == [-signal.SIGTERM]
    assert all(program.stderr.closed for program in started)


def test_a_head_that_answers_late_is_lost(head: Head, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tmc_sweep.cluster.ssh._ANSWER_SECONDS", 0.1)
    with pytest.raises(HeadLostError, match=r"but it does not within 0.1 s: check that"):
        head.ask("exec sleep infinity")


def test_a_search_space_arrives_as_it_is(head: Head, tmp_path: Path):
    space = parse("# ž $HOME `x` 'q' \"d\" ~\n" + YAML, "tiny.yaml")
    for _ in range(2):
        path = head.send(space)
        assert head.ask(f"cat {path}") == space.text.strip()
    assert [file.name for file in (tmp_path / "home").rglob("*") if file.is_file()] == ["tiny.yaml"]


def test_one_that_is_too_large_for_a_command_is_refused(head: Head, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tmc_sweep.cluster.ssh._ARGUMENT", 10)
    with pytest.raises(InputError, match="must take at most 10 characters when packed"):
        head.send(parse(YAML, "tiny.yaml"))


def test_a_sweeps_tables_come_without_its_checkpoints(head: Head, tmp_path: Path):
    with pytest.raises(InputError, match=r"no 'tiny': see `tmc-sweep status --cluster c\.yaml`"):
        fetch(head, "tiny", tmp_path / "here")
    there = store(tmp_path / "home" / "tmc_sweep_results")
    here = fetch(head, "tiny", tmp_path / "here")
    assert read_epochs(here.epochs).equals(read_epochs(there.epochs))
    names = {str(path.relative_to(here.results)) for path in here.results.rglob("*") if path.is_file()}
    tables = {"tiny/part-00000.parquet", *(f"tiny.{name}.parquet" for name in ("attempts", "trials", "summary"))}
    assert names == {*tables, ".tmc/tiny/manifest.json", ".tmc/tiny/lock"}


def test_a_file_is_packed_before_those_it_speaks_of_which_go_on_meanwhile(head: Head, tmp_path: Path):
    store(tmp_path / "home" / "tmc_sweep_results")
    with (tmp_path / "packed").open("w+b") as packed:
        head.fetch(_packing("tiny"), packed)
        packed.seek(0)
        with tarfile.open(fileobj=packed) as archive:
            names = archive.getnames()
    tables = [f"tiny.{name}.parquet" for name in ("summary", "trials", "attempts")]
    assert names == [*tables, "tiny/part-00000.parquet", ".tmc/tiny/manifest.json"]


def test_the_tables_of_a_sweep_whose_private_files_were_removed_come_once_it_is_mended(head: Head, tmp_path: Path):
    there = store(tmp_path / "home" / "tmc_sweep_results")
    shutil.rmtree(there.private)
    with pytest.raises(
        StorageError, match=r"manifest\.json there is not, since it is missing: .* mend the sweep where"
    ):
        fetch(head, "tiny", tmp_path / "here")
    repair(there)
    assert len(read_epochs(fetch(head, "tiny", tmp_path / "here").epochs)) == len(read_epochs(there.epochs))


@pytest.mark.parametrize("name", ["tiny", "../tiny"])
def test_a_sweep_that_is_not_there(head: Head, tmp_path: Path, name: str):
    with pytest.raises(InputError, match=r"no 'tiny': see|got '../tiny'"):
        fetch(head, name, tmp_path / "here")
    assert not (tmp_path / "here").exists()


def test_paths_of_results_are_those_that_jobs_have(head: Head, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TMC_SWEEP_RESULTS", str(tmp_path / "else where"))
    store(tmp_path / "else where")
    assert fetch(head, "tiny", tmp_path / "here") == SweepPaths(tmp_path / "here", "tiny")
