"""Products by oneDNN and by torch: the same to rounding, and of a pack's member to the bit those that it has alone."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tmc_sweep import products
from tmc_sweep.products import affine, by_rows, by_weight, maker
from tmc_sweep.training.provenance import FORMS, of_this_process


@pytest.fixture(params=["oneDNN", "torch"])
def made_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Either, whatever the processor is and however small the products are."""
    monkeypatch.setattr(products, "_ONEDNN", request.param == "oneDNN")
    monkeypatch.setattr(products, "_PAYS", 0)
    return request.param


def matrices(n_in: int, n_out: int, members: int = 3) -> tuple[torch.Tensor, ...]:
    """Rows, weight, bias, and a gradient by the product; 29 rows."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((29, n_in), (n_in, n_out), (1, n_out), (29, n_out))
    return tuple(torch.randn(members, *shape, generator=generator) for shape in shapes)


@pytest.mark.parametrize(("n_in", "n_out"), [(784, 128), (16, 32), (64, 4)])
def test_they_are_products_to_rounding(made_by: str, n_in: int, n_out: int):
    rows, weight, bias, gradient = matrices(n_in, n_out)
    exact = [tensor.double() for tensor in (rows, weight, bias, gradient)]
    got = (
        affine(rows, weight, bias),
        affine(rows, weight, bias, leaky=True),
        by_rows(gradient, weight),
        by_weight(rows, gradient),
    )
    sums = exact[0] @ exact[1] + exact[2]
    wanted = (sums, sums.maximum(0.1 * sums), exact[3] @ exact[1].mT, exact[0].mT @ exact[3])
    for ours, theirs in zip(got, wanted, strict=True):
        torch.testing.assert_close(ours.double(), theirs, rtol=1e-5, atol=2e-4)


@pytest.mark.parametrize(("n_in", "n_out"), [(784, 128), (16, 32), (64, 4)])
def test_a_members_are_those_that_it_has_alone(made_by: str, n_in: int, n_out: int):
    rows, weight, bias, gradient = matrices(n_in, n_out)

    def all_of(members: slice) -> list[torch.Tensor]:
        x, w, b, g = (tensor[members] for tensor in (rows, weight, bias, gradient))
        return [affine(x, w, b), affine(x, w, b, leaky=True), by_rows(g, w), by_weight(x, g)]

    together = all_of(slice(None))
    for member in range(3):
        for packed, alone in zip(together, all_of(slice(member, member + 1)), strict=True):
            assert torch.equal(packed[member], alone[0])


@pytest.mark.parametrize(
    ("vendor", "capability", "chosen"),
    [("AuthenticAMD", "AVX512", True), ("AuthenticAMD", "AVX2", False), ("GenuineIntel", "AVX512", False)],
)
def test_onednn_is_chosen_by_what_the_processor_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vendor: str, capability: str, chosen: bool
):
    cores = tmp_path / "cpuinfo"
    cores.write_text(f"vendor_id : {vendor}\n")
    monkeypatch.setattr(products, "Path", lambda _: cores)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert products._has_amds_avx512() is chosen


def test_doubles_are_torchs(made_by: str):
    rows, weight, bias, _ = (tensor.double() for tensor in matrices(16, 8))
    assert torch.equal(affine(rows, weight, bias), torch.baddbmm(bias, rows, weight))


def test_who_makes_them_follows_from_the_processor_and_is_on_record(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert not products._has_amds_avx512()
    for quick, name in ((True, "oneDNN"), (False, "torch")):
        monkeypatch.setattr(products, "_ONEDNN", quick)
        assert (maker("cpu"), maker("cuda")) == (name, "torch")
        assert of_this_process("cpu", "eager").arithmetic == f"{FORMS} {name}"


COMPILED = """
import torch
from tmc_sweep import products
products._ONEDNN, products._PAYS = True, 0
x, w, b = torch.randn(2, 29, 16), torch.randn(2, 16, 32), torch.randn(2, 1, 32)
f = lambda x, w, b: (products.affine(x, w, b, leaky=True), products.by_rows(x, w.mT), products.by_weight(x, x))
for ours, theirs in zip(torch.compile(f, fullgraph=True)(x, w, b), f(x, w, b)):
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
"""  # in a process of its own: here every call is checked for its shapes


@pytest.mark.long
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_torchs_compiler_which_refuses_onednns_has_their_twins():
    subprocess.run([sys.executable, "-c", COMPILED], check=True)
