"""A file of a user's own, in a folder that Python imports from."""

import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

Write = Callable[[str], str]


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a source as the one module of its folder, and gives the module's name; it is forgotten after the test."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    name = f"own_{abs(hash(tmp_path))}"

    def write(source: str) -> str:
        (folder / f"{name}.py").write_text(dedent(source))
        forget(name)
        return name

    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # of two sources within a second the second counts
    yield write
    forget(name)


def forget(name: str) -> None:
    """Let the next import read the file."""
    sys.modules.pop(name, None)
