import json
from dataclasses import replace

import pytest

from tmc_sweep.errors import StorageError
from tmc_sweep.store.manifest import VERSION, name_of, open_manifest, read_manifest, write_manifest


def test_the_id_stays_and_the_search_space_is_the_last_one(paths):
    assert read_manifest(paths) is None
    first = open_manifest(paths, "name: grid\n")
    assert open_manifest(paths).search_space == "name: grid\n"
    second = open_manifest(paths, "name: grid\nseeds: 3\n")
    assert (second.sweep_id, second.created) == (first.sweep_id, first.created)
    assert read_manifest(paths) == second
    assert second.search_space == "name: grid\nseeds: 3\n"


def test_packs_are_read_as_they_were_written_and_outlast_the_search_space(paths):
    first = open_manifest(paths, "name: grid\n")
    assert first.packs == ()
    written = replace(first, packs=(("b", "a"), ("c",)))
    write_manifest(paths, written)
    assert read_manifest(paths) == written
    assert open_manifest(paths, "name: grid\nseeds: 3\n").packs == written.packs


def test_a_newer_format_is_refused_and_left_alone(paths):
    open_manifest(paths)
    newer = json.dumps({"format_version": VERSION + 1, "something": "new"})
    paths.manifest.write_text(newer)
    with pytest.raises(
        StorageError, match=rf"manifest\.json must have a format version up to {VERSION}, but has {VERSION + 1}"
    ):
        open_manifest(paths)
    assert paths.manifest.read_text() == newer


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format_version": 1}', "\xff"])
def test_a_damaged_manifest_is_refused(paths, content):
    open_manifest(paths)
    paths.manifest.write_bytes(content.encode("latin-1"))
    with pytest.raises(StorageError, match=r"manifest\.json.*damaged"):
        read_manifest(paths)


def test_a_bit_flipped_in_its_texts_is_found(paths):
    open_manifest(paths, "name: grid\n# seeds: 3\n")
    whole = paths.manifest.read_bytes()
    for position in range(len(whole)):
        paths.manifest.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(StorageError, match=r"manifest\.json"):
            read_manifest(paths)


@pytest.mark.parametrize("packs", [{}, {"packs": 5}, {"packs": [5]}])
def test_a_manifest_without_its_packs_is_damaged(paths, packs):
    open_manifest(paths)
    fields = json.loads(paths.manifest.read_text())
    del fields["packs"]
    paths.manifest.write_text(json.dumps(fields | packs))
    with pytest.raises(StorageError, match=r"manifest\.json.*damaged"):
        open_manifest(paths)


def test_every_search_space_that_was_run_stays_on_record_once(paths):
    texts = ["name: grid\n", "name: grid\nseeds: 3\n", "name: grid\n", "name: grid\nseeds: 4\n"]
    for text in texts:
        open_manifest(paths, text)
    manifest = open_manifest(paths)
    assert (manifest.search_space, manifest.earlier_search_spaces) == (texts[3], (texts[1], texts[0]))
    assert [manifest.search_space_named(name_of(text)) for text in texts] == texts
    assert manifest.search_space_named(name_of("other")) is None
