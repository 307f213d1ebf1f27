"""A data set, a sampler and a stopping rule of one's own: one file each, used from YAML to report, then gone."""

import re
from pathlib import Path

import pytest
from command import Ended, command
from optuna.samplers import BaseSampler
from own import Write

from tmc_sweep.config import TrialConfig
from tmc_sweep.data import load as load_data
from tmc_sweep.errors import InputError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.search.samplers import sampler
from tmc_sweep.space import SpaceError, load, parse
from tmc_sweep.store.read import read_trials

DATA = """
import numpy as np
from tmc_sweep.registry import DataSet

def read():
    pixels = np.random.default_rng(0).integers(0, 256, (90, 4, 6), np.uint8)
    labels = (np.arange(90) % 3).astype(np.uint8)
    return pixels[:60], labels[:60], pixels[60:], labels[60:]

spots = DataSet(train_images=60, test_images=30, shape=(4, 6), read=read)
"""
SAMPLER = """
from optuna.samplers import RandomSampler

def backwards(seed):
    return RandomSampler(seed=2**32 - 1 - seed)
"""
RULE = """
from tmc_sweep.search.stopping_rule import StoppingRule

class First(StoppingRule):
    def against(self, own, others):
        return f"{len(others)} came before it" if others else None
"""
SPACE = """
name: mine
base: {{{base}, validation_images: 10, objective: iwae, architecture: [4], K: 2, epochs: {epochs}}}
space: {{lr: {lr}}}
statistic: {{metric: val_iwae, last: 1}}
resources: {{gpu: 0, pack: 1}}
{how}
"""


class Sweep:
    """A search space on disk, and the verbs that are asked of it."""

    def __init__(
        self, folder: Path, base: str = "data: digits", lr: str = "{grid_search: [1e-3, 1e-4]}", how: str = ""
    ) -> None:
        self.file, self.paths = folder / "mine.yaml", SweepPaths(folder / "results", "mine")
        self._given = {"base": base, "lr": lr, "how": how}
        self._folder = folder

    def asked(self, verb: str, *options: object, epochs: int = 2) -> Ended:
        self.file.write_text(SPACE.format(**self._given, epochs=epochs))
        what = self.file if verb in ("validate", "run", "plan") else self.paths.name
        where = () if verb == "validate" else ("--results", self.paths.results)
        return command(verb, what, *where, *options)

    def run(self, epochs: int = 2) -> Ended:
        return self.asked("run", "--executor", "inline", "--quiet", epochs=epochs)

    def check_from_yaml_to_report(self, n: int) -> None:
        """Valid, planned, trained, gone on with, and shown."""
        for verb in ("validate", "plan"):
            assert (ended := self.asked(verb)).code == 0, ended.err
        assert (ended := self.run()).code == 0, ended.err
        assert (ended := self.run(epochs=4)).code == 0, ended.err
        assert len(read_trials(self.paths.epochs)) == n

    def check_reads(self, n: int) -> None:
        assert [row["metric"] for row in self.asked("summary", "--json").json] == ["val_iwae"] * n  # as it declares
        for verb in (
            ("status",),
            ("best",),
            ("verify",),
            ("differences", "--by", "lr"),
            ("report", "-o", self._folder / "page.html"),
        ):
            assert (ended := self.asked(*verb)).code == 0, ended.err
        assert "mine" in (self._folder / "page.html").read_text()


BROKEN = "raise SystemError('what is stored needs no file of others')"


def test_a_data_set(write_module: Write, tmp_path: Path):
    sweep = Sweep(tmp_path, f"data: {write_module(DATA)}:spots")
    sweep.check_from_yaml_to_report(2)
    assert set(read_trials(sweep.paths.epochs)["train_images"]) == {60}
    assert command("analyse", "mine", "--results", sweep.paths.results).code == 0
    write_module(BROKEN)
    sweep.check_reads(2)


def test_a_sampler(write_module: Write, tmp_path: Path):
    name = write_module(SAMPLER)
    how = f"search: {{algorithm: {name}:backwards, num_samples: 3}}"
    sweep = Sweep(tmp_path, lr="{loguniform: [1e-4, 1e-2]}", how=how)
    sweep.check_from_yaml_to_report(3)
    write_module(BROKEN)
    sweep.check_reads(3)


def test_a_sampler_of_optunas_by_its_path(tmp_path: Path):
    how = "search: {algorithm: optuna.samplers:NSGAIISampler, num_samples: 3}"
    sweep = Sweep(tmp_path, lr="{loguniform: [1e-4, 1e-2]}", how=how)
    assert (ended := sweep.run()).code == 0, ended.err
    assert read_trials(sweep.paths.epochs)["lr"].nunique() == 3


def test_a_stopping_rule(write_module: Write, tmp_path: Path):
    name = write_module(RULE)
    how = f"scheduler: {{algorithm: {name}:First, grace_epochs: 1, last: 1}}"
    sweep = Sweep(tmp_path, lr="{grid_search: [1e-2, 1e-3, 1e-4]}", how=how)
    sweep.check_from_yaml_to_report(3)
    reasons = set(read_trials(sweep.paths.epochs)["reason"].dropna())
    assert reasons == {f"stopped by {name}:First at epoch 1: {n} came before it" for n in (1, 2)}
    write_module(BROKEN)
    sweep.check_reads(3)


def refused(sweep: Sweep, verb: str = "validate") -> str:
    ended = sweep.run() if verb == "run" else sweep.asked(verb)
    assert ended.code == 2, ended.err
    (line,) = ended.err.splitlines()
    return line


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"base": "data: mnits"}, "data must be one of digits, mnist, fashion_mnist, cifar10,"),
        ({"how": "search: {algorithm: tpee}"}, "search.algorithm must be one of grid, random, tpe,"),
        ({"how": "scheduler: {algorithm: medain}"}, "scheduler.algorithm must be one of asha, median,"),
    ],
    ids=["data", "search", "scheduler"],
)
def test_an_unknown_name_is_told_the_choices_and_that_there_may_be_others(tmp_path: Path, given, said: str):
    line = refused(Sweep(tmp_path, **given))
    assert f"{said} or package.module:Name of one's own, but got " in line
    assert ": did you mean " in line


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"base": "data: math:pi"}, "3:14: a data set of one's own must be a DataSet, but math:pi is 3.14"),
        ({"base": "data: no:x"}, "3:14: a data set of one's own must be importable, but no:x is not (No module named"),
        ({"how": "search: {algorithm: math:pi, num_samples: 2}"}, "a search algorithm of one's own must be what makes"),
        ({"how": "search: {algorithm: no:x, num_samples: 2}"}, "a search algorithm of one's own must be importable"),
        ({"how": "scheduler: {algorithm: math:pi}"}, "7:24: a stopping rule of one's own must be a subclass of"),
        ({"how": "scheduler: {algorithm: no:x}"}, "7:24: a stopping rule of one's own must be importable, but no:x is"),
    ],
    ids=str,
)
def test_what_cannot_be_imported_or_is_no_such_thing_is_one_sentence_where_it_stands(tmp_path: Path, given, said: str):
    assert said in refused(Sweep(tmp_path, **given)).split("mine.yaml:")[1]


def test_more_images_than_a_data_set_of_ones_own_has_are_refused(write_module: Write, tmp_path: Path):
    base = f"data: {write_module(DATA)}:spots, train_images: 61"
    assert "train_images must be at most 60 here (data: own_" in (line := refused(Sweep(tmp_path, base)))
    assert f":3:{8 + base.rindex('61')}: " in line


def test_sizes_are_said_where_they_cannot_be_looked_up(write_module: Write, tmp_path: Path):
    """A stored search space must give the same trials without its file."""
    name = write_module(DATA)
    text = SPACE.format(base=f"data: {name}:spots", lr="1e-3", how="", epochs=2)
    with pytest.raises(
        SpaceError, match="train_images must be said where data is of one's own, but is missing for own_"
    ):
        _ = parse(text, "x.yaml").cells
    (cell,) = parse(text.replace("spots,", "spots, train_images: 60, test_images: 30,"), "x.yaml").cells
    (tmp_path / "x.yaml").write_text(text)
    found = load(tmp_path / "x.yaml")
    assert found.cells == parse(found.text, "stored").cells == (cell,)
    (tmp_path / "x.yaml").write_text(text.replace(f"{name}:spots", "digits"))
    assert load(tmp_path / "x.yaml", overrides=[f"data={name}:spots"]).cells == (cell,)


def test_sizes_of_several_data_sets_are_said_beside_each(write_module: Write, tmp_path: Path):
    """Those of one would else be the others', too."""
    file, text = (
        tmp_path / "x.yaml",
        f"name: x\nbase: {{data: {write_module(DATA)}:spots}}\ncases: [{{data: digits}}, {{}}]",
    )
    file.write_text(text)
    with pytest.raises(SpaceError, match=r"x.yaml:2:14: train_images must be said where data is of one's own"):
        load(file)
    file.write_text(text.replace("{}]", "{train_images: 50, test_images: 30}]"))
    assert [cell.train_images for cell in load(file).cells] == [1437, 50]


def test_sizes_are_part_of_a_trials_name_where_no_file_may_be_needed_for_it():
    fields = {"data": "nowhere:x", "train_images": 60, "test_images": 30}
    plain = TrialConfig.parse(fields)
    for name in ("train_images", "test_images"):
        assert TrialConfig.parse({**fields, name: 29}).cell_id != plain.cell_id


@pytest.mark.parametrize(
    ("spoilt", "right", "said"),
    [
        (
            "return pixels[:60]",
            "return pixels / 255",
            "must be read as four arrays of uint8, training images, their labels,",
        ),
        (
            "train_images=60",
            "train_images=70",
            r"must hold arrays of shape \(70, 24\), but has \(60, 24\): let its entry",
        ),
        (
            "return",
            "1 / 0; return",
            r"must be readable here, but is not \(ZeroDivisionError: division by zero\): correct",
        ),
    ],
    ids=["type", "size", "error"],
)
def test_a_reader_that_is_none_is_corrected(write_module: Write, tmp_path: Path, spoilt: str, right: str, said: str):
    sweep = Sweep(tmp_path, f"data: {write_module(DATA.replace(spoilt, right, 1))}:spots")
    assert re.search(f"spots {said}", refused(sweep))
    write_module(DATA)
    assert sweep.asked("validate").code == 0


def test_a_plan_reads_no_images(write_module: Write, tmp_path: Path):
    name = write_module(DATA.replace("def read():", "def read():\n    raise SystemError('read')"))
    ended = Sweep(tmp_path, f"data: {name}:spots").asked("plan")
    assert ended.code == 0, ended.err
    assert "must be readable here, but is not (SystemError: read)" in refused(Sweep(tmp_path, f"data: {name}:spots"))


def test_a_data_set_may_have_no_labels_and_images_in_rows(write_module: Write):
    name = write_module(
        DATA.replace(
            "return pixels[:60], labels[:60], pixels[60:], labels[60:]",
            "return pixels[:60].reshape(60, 24), pixels[60:]",
        )
    )
    images = load_data(f"{name}:spots")
    assert (images.train.shape, images.test.shape) == ((60, 24), (30, 24))
    assert not images.test_labels.any()


@pytest.mark.parametrize(
    ("first", "got"), [("return 3", "gives 3"), ("1 / 0", "raises ZeroDivisionError: division by zero")]
)
def test_a_sampler_that_is_none_is_corrected(write_module: Write, first: str, got: str):
    name = write_module(SAMPLER.replace("return", f"{first}; return"))
    with pytest.raises(InputError, match=f"must make a sampler of Optuna's, but {name}:backwards {got}: correct it"):
        sampler(f"{name}:backwards", 0)
    write_module(SAMPLER)
    assert isinstance(sampler(f"{name}:backwards", 0), BaseSampler)
