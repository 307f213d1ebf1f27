"""The commit that a trial was trained with, where there is one."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tmc_sweep.training import provenance
from tmc_sweep.training.provenance import of_this_process

Git = Callable[..., str]


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """A checkout in which the package is not yet tracked; git's own command in it."""
    package = tmp_path / "checkout" / "package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(provenance, "_PACKAGE", package)
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]

    def run(*arguments: str) -> str:
        command = ["git", "-C", str(package), *author, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    run("init", "--quiet", "..")
    return run


def here() -> tuple[str | None, bool | None]:
    provenance._checkout.cache_clear()
    found = of_this_process("cpu", "eager")
    provenance._checkout.cache_clear()
    return found.git_commit, found.git_dirty


def test_a_checkouts_commit_and_whether_its_files_differ(git: Git, monkeypatch: pytest.MonkeyPatch):
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    assert here() == (git("rev-parse", "HEAD"), False)
    monkeypatch.setenv("GIT_DIR", "/nowhere")  # as in a hook of another repository
    assert here()[1] is False
    monkeypatch.delenv("GIT_DIR")
    (provenance._PACKAGE / "new.py").write_text("")
    assert here() == (git("rev-parse", "HEAD"), True)


def test_a_package_that_only_lies_in_a_checkout_is_not_of_it(git: Git):
    assert here() == (None, None)
    git("commit", "--quiet", "--allow-empty", "-m", "first")
    assert here() == (None, None)


def test_a_package_that_is_tracked_but_in_no_commit(git: Git):
    git("add", ".")
    assert here() == (None, None)


def test_without_git(git: Git, monkeypatch: pytest.MonkeyPatch):
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    monkeypatch.setenv("PATH", "/nowhere")
    assert here() == (None, None)
