"""No step or evaluation calls what torch has no vector code for on many values: it takes 10 to 50 times as long."""

import pytest
import torch
from runs import SHAPES, configured, pack_of
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tmc_sweep.data import Images

SLOW = {"log1p", "expm1", "softplus", "log_sigmoid", "logaddexp", "logaddexp2", "where", "fmax", "fmin", "xlogy"}
MANY = 1000


def name_of(kernel: str) -> str:
    """Without what is added to it where it works in place, forwards or backwards."""
    return kernel.removesuffix("_").removesuffix("_forward").removesuffix("_backward")


class Vectorised(TorchDispatchMode):
    """Refuses them on more than a thousand values."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        largest = max((leaf.numel() for leaf in tree_leaves(args) if isinstance(leaf, torch.Tensor)), default=0)
        if largest > MANY and name_of(func.overloadpacket.__name__) in SLOW:
            raise AssertionError(f"{func} of {largest} values has no vector code")
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("fields", SHAPES.values(), ids=SHAPES)
def test_a_step_and_an_evaluation_call_only_what_is_vectorised(digits: Images, fields: dict[str, object]):
    pack = pack_of(digits, configured(**fields))
    with Vectorised():
        pack.train_epoch()


@pytest.mark.parametrize("slow", [torch.log1p, torch.nn.functional.softplus, torch.nn.functional.logsigmoid])
def test_others_would_be_noticed_forwards_and_backwards(slow):
    many = torch.ones(MANY + 1, requires_grad=True)
    with Vectorised(), pytest.raises(AssertionError, match="no vector code"):
        slow(many)
    value = slow(many).sum()
    if slow is not torch.log1p:
        with Vectorised(), pytest.raises(AssertionError, match="no vector code"):
            value.backward()


@pytest.mark.parametrize("objective", ["iwae", "tmc"])
def test_the_profilers_list_of_an_epoch_names_none_of_them(digits: Images, objective: str):
    pack = pack_of(digits, configured(objective=objective))
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        pack.train_epoch()
    names = {name_of(event.key.removeprefix("aten::")) for event in profiler.key_averages()}
    assert "sigmoid" in names
    assert not names & SLOW
