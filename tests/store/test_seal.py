import pytest

from tmc_sweep.store.seal import PLACEHOLDER, is_sealed, sealed

MARK = b"hash:"
OPEN = b"head hash:" + PLACEHOLDER.encode() + b" tail"


def test_any_flipped_bit_breaks_the_seal():
    whole = sealed(OPEN, MARK)
    assert len(whole) == len(OPEN)
    assert is_sealed(whole, MARK)
    for position in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[position // 8] ^= 1 << position % 8
        assert not is_sealed(bytes(flipped), MARK)


@pytest.mark.parametrize("content", [b"", b"hash:", OPEN, sealed(OPEN, MARK)[:-1], sealed(OPEN, MARK) + b"\0"])
def test_what_was_never_sealed_or_has_another_length_is_not(content):
    assert not is_sealed(content, MARK)


def test_a_mark_inside_the_content_before_does_no_harm():
    assert is_sealed(sealed(b"hash:000 " + OPEN, MARK), MARK)
