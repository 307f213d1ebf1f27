"""Guards: hostile, ambiguous and unreadable files are refused in one line that says where, soon, in little memory."""

import time
import tracemalloc

import pytest

from tmc_sweep.errors import InputError
from tmc_sweep.space import SpaceError, load, parse
from tmc_sweep.space.source import MAX_BYTES, tree


def refusal(text):
    with pytest.raises(SpaceError) as caught:
        parse(text, "x.yaml")
    return "\n".join(str(error) for error in caught.value.each if "name is required" not in error.sentence)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1:1: a search space must be a mapping with a name, but the file is empty: write `name: ...`"),
        ("# only this\n", "1:1: a search space must be a mapping with a name, but the file is empty"),
        ("[x]", "1:1: a search space must be a mapping such as {name: grid, base: {data: mnist}}, but got ['x']"),
        ("name: x\n---\nname: y", "2:1: a file must hold one document, but here a second one starts: remove it"),
        ("name: &here x", "1:7: values must have no anchors or tags, but got here: remove it"),
        ("name: *here", "1:7: values must be written out, but got an alias: write the value here"),
        ("name: x\n<<: {K: 1}", "2:1: keys must be written out, but got the merge key <<: write them here"),
        ("name: !!python/object:os.system x", "1:7: values must have no anchors or tags, but got tag:yaml.org"),
        ("name: !!str x", "1:7: values must have no anchors or tags, but got tag:yaml.org,2002:str: remove it"),
        ("name: ! x", "1:7: values must have no anchors or tags, but got !: remove it"),
        ("base: !!map {K: 1}", "1:7: values must have no anchors or tags"),
        ("%YAML 1.1\n---\nname: x", "1:1: a line must not begin with %, YAML's directives: remove it"),
        ("name: x\nbase: \x00", "2:7: the text must hold printable characters only, but got '\\x00': remove it"),
        ("name: x\r\nbase: \x1b", "2:7: the text must hold printable characters only, but got '\\x1b'"),
        ("name: x\u2028", "1:8: the text must hold printable characters only, but got '\\u2028'"),
        ("name: \ud800", "1:7: the text must hold printable characters only, but got '\\ud800'"),
        ("name: x\nname: y", "2:1: a key must appear once, but name is also on line 1: remove one of the two"),
        ("base: {K: 1,\n K: 2}", "2:2: a key must appear once, but K is also on line 1"),
        ("? [a]\n: b", "1:3: a key must be a word, but got a list or mapping: write `word: value`"),
        ("name: 'x", "1:9: the text must be YAML 1.2, but "),
        ("\tname: x", "1:1: the text must be YAML 1.2, but "),
        ('name: "\\UFFFFFFFF"', "1:1: the text must be YAML 1.2, but after this "),
        ("name: no", "1:7: a truth value must be true or false, but got no: write true or false, or quote it as text"),
        ("seeds: [1, YES]", "1:12: a truth value must be true or false, but got YES"),
        ("On: 1", "1:1: a truth value must be true or false, but got On"),
        ("base: {K: 010}", "1:11: an integer must have no leading zeros, but got 010: remove them, or quote it"),
        ("base: {K: -007}", "1:11: an integer must have no leading zeros, but got -007"),
        ("base: {K: 12:30}", "1:11: a number must not have colons, but got 12:30: write it in decimals, or quote it"),
        ("name: " + "9" * 1001, "1:7: a value must be at most 1000 characters, but got 1001: shorten it"),
    ],
)
def test_refused_with_position(text, expected):
    assert refusal(text).startswith(f"x.yaml:{expected}")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("[" * 250_000, "nested at most 20 deep"),
        ("{" * 250_000, "nested at most 20 deep"),
        ("- " * 120_000, "nested at most 20 deep"),
        ("? " * 120_000, "nested at most 20 deep"),
        ("a: [" + "1," * 120_000 + "]", "at most 10000 keys and values"),
        ("a: &a [x]\n" + "".join(f"b{i}: &b{i} [*a, *a]\n" for i in range(10_000)), "no anchors"),
        ("a: '" + "x" * 250_000 + "'", "at most 1000 characters"),
        ("!" * 250_000, "no anchors or tags"),
        ("#" * (MAX_BYTES + 1), f"at most {MAX_BYTES} bytes"),
        ("é" * MAX_BYTES, f"at most {MAX_BYTES} bytes"),
    ],
)
def test_bombs_are_refused_quickly_and_in_little_memory(text, rule):
    start = time.process_time()
    assert rule in refusal(text)
    assert time.process_time() - start < 10  # seconds; a bomb takes minutes


def test_a_bomb_takes_little_memory():
    tracemalloc.start()
    refusal("a: [" + "[1]," * 60_000 + "]")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-3", 0.001),
        ("1E+2", 100.0),
        (".5", 0.5),
        ("-1.", -1.0),
        ("12", 12),
        ("-0", 0),
        ("0", 0),
        ("0x1F", 31),
        ("0o17", 15),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("-.inf", -float("inf")),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        ("y", "y"),
        ("'no'", "no"),
        ('"010"', "010"),
        ("'1'", "1"),
    ],
)
def test_scalars_of_the_core_schema(written, value):
    got = tree(f"a: {written}", "x.yaml").plain()["a"]
    assert (type(got), got) == (type(value), value)


@pytest.mark.parametrize(
    "content", [b"\xef\xbb\xbfname: x\n", b"name: x\r\nseeds: 1\r\n", b"---\nname: x\n...\n", b"name: x # caf\xc3\xa9"]
)
def test_harmless_files_are_read(tmp_path, content):
    (tmp_path / "x.yaml").write_bytes(content)
    assert load(tmp_path / "x.yaml").name == "x"


def test_crlf_and_bom_do_not_shift_positions():
    assert refusal("\ufeffnam: x").startswith("x.yaml:1:1: nam is not")
    assert refusal("name: x\r\nbase:\r\n  K: 0\r\n").startswith("x.yaml:3:6: K must be")


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"name: x\nbase: \xff", "2:7: the file must be UTF-8, but got byte 0xff"),
        ("name: x".encode("utf-16"), "1:1: the file must be UTF-8"),
        (b"\xef\xbb\xbf\xe9", "1:1: the file must be UTF-8"),
        (b"#" * (MAX_BYTES + 1), f"1:1: a search space must be at most {MAX_BYTES} bytes"),
    ],
)
def test_files_that_are_not_short_utf8(tmp_path, content, where):
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(SpaceError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}:{where}")


@pytest.mark.parametrize("name", ["missing.yaml", "", "a\0b", "x" * 300, "a\nb"])
def test_paths_that_cannot_be_read(tmp_path, name):
    with pytest.raises(
        InputError, match=r": a search space must be a readable file, but got '.*': check the path$"
    ) as e:
        load(f"{tmp_path}/{name}")
    assert str(e.value).isprintable()


def test_the_file_is_named_as_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.yaml").write_text("nam: x")
    with pytest.raises(SpaceError, match=r"^\./x.yaml:1:1: "):
        load("./x.yaml")
    assert refusal("nam: x").count("\n") == 0
