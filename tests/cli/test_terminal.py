"""The one door to the terminal: nothing of ours writes there past it, and nothing is obeyed that goes through it."""

import ast
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from command import command
from rich.console import Console

import tmc_sweep.cli
from tmc_sweep.cli import terminal
from tmc_sweep.cli.show import show_jobs
from tmc_sweep.cluster.jobs import Job
from tmc_sweep.text import visible

ROOT = Path(tmc_sweep.cli.__file__).parent
DOOR = "terminal.py"
PAST = {"print", "typer.echo", "typer.secho", "sys.stdout.write", "sys.stderr.write", "Console", "Text", "Table"}
HOSTILE = "a\x1b[2J\x9b\u202e\u200b\r[red]:x:\nb"
SHOWN = r"a\x1b[2J\x9b\u202e\u200b\r[red]:x:\nb"


def ways_past(source: str) -> Iterator[str]:
    """Calls that write to the terminal, or make what does, unchecked."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ((name := ast.unparse(node.func)) in PAST or name.endswith("messages.print")):
            yield name


@pytest.mark.parametrize("path", sorted({*ROOT.glob("*.py")} - {ROOT / DOOR}), ids=lambda path: path.name)
def test_no_command_writes_past_the_door(path: Path):
    assert list(ways_past(path.read_text())) == []


def test_a_planted_way_past_is_found():
    assert list(ways_past("print(1); typer.echo(x); app.messages.print(y); Text(z)")) == [
        "print",
        "typer.echo",
        "app.messages.print",
        "Text",
    ]


def test_what_does_not_print_is_written_as_python_does():
    assert visible(HOSTILE) == SHOWN
    assert visible("é × 日本 ±") == "é × 日本 ±"
    assert visible("a\tb\n\x7f", also="\n\t") == "a\tb\n\\x7f"
    assert visible("\udcff") == r"\udcff"


def test_lines_stay_lines_and_texts_keep_theirs(capsys: pytest.CaptureFixture[str]):
    terminal.show(HOSTILE)
    terminal.tell(HOSTILE)
    terminal.show_text("a\x1b\n\tb\n")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (f"{SHOWN}\na\\x1b\n\tb\n", f"{SHOWN}\n")


def test_tables_and_bars_show_markup_and_codes_as_they_are():
    out = Console(file=StringIO(), width=200)  # one that would read them
    out.print(terminal.table([HOSTILE.replace("\n", "")], [[HOSTILE]], []))
    drawn = terminal.bar("{task.description}", out)
    drawn.add_task(visible(HOSTILE))
    out.print(drawn.get_renderable())
    head, cell, bar = out.file.getvalue().splitlines()
    assert head.strip() == SHOWN.replace(r"\n", "")
    assert cell.strip() == SHOWN
    assert bar.startswith(SHOWN)


def test_what_a_job_server_says_is_shown(capsys: pytest.CaptureFixture[str]):
    now = datetime.now(UTC)
    show_jobs([Job("id", HOSTILE, 1, "running", now, None, None, "", "")], as_json=False)
    assert SHOWN in capsys.readouterr().out


def test_warnings_go_through_it(capsys: pytest.CaptureFixture[str]):
    command("--version")  # any command lets them
    logging.getLogger("tmc_sweep.store").warning("%s", HOSTILE)
    assert capsys.readouterr().err == f"{SHOWN}\n"
