"""Every fix that a message advises works when it is obeyed: a catalogue of all of them, checked to be whole."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
from advice_elsewhere import MET, NO_ADVICE, OBEYED
from advice_messages import MESSAGES, found, messages_in
from advice_spaces import SPACES, Space
from test_commands import CASES

from tmc_sweep.errors import InputError
from tmc_sweep.space import load


def refused(tmp_path, space: Space) -> list[str]:
    file = tmp_path / "x.yaml"
    file.write_text(("name: x\n" if space.named else "") + space.wrong)
    with pytest.raises(InputError) as caught:
        load(file, overrides=space.overrides)
    return list(caught.value.lines)


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.message)
def test_a_search_space_that_is_corrected_as_its_error_says_is_one(tmp_path, space: Space):
    lines = refused(tmp_path, space)
    (said,) = {line for line in lines if found(space.message).says(line)} or {"\n".join(lines)}
    assert found(space.message).says(said), lines
    advised = re.search(space.advised, said)[1] if space.advised else ""
    file = tmp_path / "x.yaml"
    file.write_text(("name: x\n" if space.named else "") + space.right.replace("{advised}", advised))
    if not space.named and advised.startswith("name"):
        file.write_text(advised + "x")
    assert load(file, overrides=[each.replace("{advised}", advised) for each in space.instead]).cells


@pytest.mark.parametrize("place", sorted({*OBEYED.values(), *MET.values()}))
def test_a_test_that_is_pointed_to_is_there(place: str):
    file, name = place.split("::")
    source = (Path(__file__).parents[1] / file).read_text()
    assert name in {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}


def test_each_message_with_a_fix_has_one_entry():
    entries = [each.message for each in (*SPACES, *CASES)] + [*OBEYED, *MET, *NO_ADVICE]
    counted = Counter(map(found, entries))
    assert [message.key for message, n in counted.items() if n > 1] == []
    assert sorted(message.key for message in set(MESSAGES) - counted.keys()) == []


@pytest.mark.parametrize(
    ("source", "templates"),
    [
        ('raise InputError(f"K must be {rule}, but got {got}: lower it")', ["K must be \0, but got \0: lower it"]),
        ('tell("it must be small: " "lower it" if much else "")', ["it must be small: lower it"]),
        ('hint = near or ": choose one of them"', [": choose one of them"]),
        ('fix = f"mend it with `tmc-sweep repair {name}`"', ["mend it with `tmc-sweep repair \0`"]),
        ('"""A docstring that must not count: it advises nobody."""', []),
        ('typer.Option(help="Must be small: as a rule.")', []),
        ('print(f"{n} trials, but none done")', []),
    ],
)
def test_a_planted_message_is_found_and_nothing_else(source: str, templates: list[str]):
    assert [message.template for message in messages_in("x.py", source)] == templates
