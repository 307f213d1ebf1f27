import json

import pytest

from tmc_sweep.errors import StorageError
from tmc_sweep.tables.manifest import open_manifest, read_manifest


def test_the_id_stays_and_the_search_space_is_the_last_one(paths):
    assert read_manifest(paths) is None
    first = open_manifest(paths, "name: grid\n")
    assert open_manifest(paths).search_space == "name: grid\n"
    second = open_manifest(paths, "name: grid\nseeds: 3\n")
    assert (second.sweep_id, second.created) == (first.sweep_id, first.created)
    assert read_manifest(paths) == second
    assert second.search_space == "name: grid\nseeds: 3\n"


def test_a_newer_format_is_refused_and_left_alone(paths):
    open_manifest(paths)
    newer = json.dumps({"format_version": 2, "something": "new"})
    paths.manifest.write_text(newer)
    with pytest.raises(StorageError, match=r"manifest\.json must have a format version up to 1, but has 2"):
        open_manifest(paths)
    assert paths.manifest.read_text() == newer


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format_version": 1}', "\xff"])
def test_a_damaged_manifest_is_refused(paths, content):
    open_manifest(paths)
    paths.manifest.write_bytes(content.encode("latin-1"))
    with pytest.raises(StorageError, match=r"manifest\.json.*damaged"):
        read_manifest(paths)
