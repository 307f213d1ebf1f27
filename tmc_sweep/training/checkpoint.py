"""A trial's state as bytes and back: a safetensors file, so tensors and JSON only; reading one runs no code."""

import json
from collections.abc import Mapping

import torch
from pydantic import TypeAdapter
from pydantic_core import from_json
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from tmc_sweep.config import TrialConfig
from tmc_sweep.errors import NewerError, StorageError
from tmc_sweep.models import outline
from tmc_sweep.records import EpochRecord
from tmc_sweep.registry import is_own
from tmc_sweep.training.state import TrialState

VERSION = 1
_HISTORY = "history"
_ADAM_FIELDS = ("step", "exp_avg", "exp_avg_sq")
_METADATA = TypeAdapter(dict[str, str])
Shapes = Mapping[str, torch.Size]


def encode(state: TrialState) -> bytes:
    """The state as one safetensors file; its metadata holds format, trial, configuration and the whole row history."""
    tensors = {f"parameters/{name}": tensor.contiguous().cpu() for name, tensor in state.parameters.items()}
    for name, adam in state.adam.items():
        tensors |= {f"adam/{field}/{name}": adam[field].contiguous().cpu() for field in _ADAM_FIELDS}
    metadata = {
        "format": str(VERSION),
        "trial_id": state.config.trial_id,
        "config": json.dumps(state.config.model_dump(mode="json")),
        _HISTORY: json.dumps([record.to_json() for record in state.history]),
    }
    return save(tensors, metadata)


def decode(payload: bytes, config: TrialConfig) -> TrialState:
    """The state of `config`'s trial, fit for its model, which is built to compare the two.

    StorageError if the bytes are another trial's or no checkpoint at all, NewerError if a newer version wrote them.
    """
    return _decoded(payload, config, outline(config).shapes)


def history(payload: bytes, config: TrialConfig) -> list[EpochRecord]:
    """The rows in a checkpoint, which is checked as by `decode`, but that no code of others is run.

    Where the model, or the data set that gives its widths, is of one's own, parameters are compared with their moments
    alone.
    """
    shapes = None if is_own(config.model) or is_own(config.data) else outline(config).shapes
    return _decoded(payload, config, shapes).history


def _decoded(payload: bytes, config: TrialConfig, shapes: Shapes | None) -> TrialState:
    metadata = stated(payload)
    if metadata.get("trial_id") != config.trial_id:
        raise StorageError(
            f"a checkpoint of trial {config.trial_id} must name it, but names {metadata.get('trial_id')}: "
            "remove the checkpoint"
        )
    _check_version(metadata.get("format", ""))
    try:
        state = _assembled(load(payload), _history(metadata[_HISTORY], config), config)
        _check_complete(state, shapes)
    except (SafetensorError, LookupError, TypeError, ValueError) as error:
        raise StorageError(f"a checkpoint of trial {config.trial_id} cannot be read ({error}): remove it") from None
    return state


def _check_version(version: str) -> None:
    if version == str(VERSION):
        return
    newer = version.isdecimal() and int(version[:9]) > VERSION
    raise (NewerError if newer else StorageError)(
        f"a checkpoint must have format {VERSION}, but has {version or 'none'}: "
        f"{'use the newer tmc_sweep that wrote it' if newer else 'remove it'}"
    )


def _history(text: str, config: TrialConfig) -> list[EpochRecord]:
    """The rows of epochs 1, 2, 3, ... of the trial; ValueError if they are none."""
    history = [EpochRecord.from_json(values) for values in from_json(text)]
    if [(record.trial_id, record.epoch) for record in history] != [
        (config.trial_id, epoch) for epoch in range(1, len(history) + 1)
    ]:
        raise ValueError("its history is not epochs 1, 2, 3, ... of the trial")
    return history


def _assembled(tensors: dict[str, Tensor], history: list[EpochRecord], config: TrialConfig) -> TrialState:
    parameters: dict[str, Tensor] = {}
    adam: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        kind, _, name = key.partition("/")
        if kind == "parameters":
            parameters[name] = tensor
        else:
            field, _, name = name.partition("/")
            adam.setdefault(name, {})[field] = tensor
    return TrialState(config, parameters, adam, history)


def _check_complete(state: TrialState, shapes: Shapes | None) -> None:
    """ValueError if a tensor is not as it should be; without `shapes`, those of the parameters are taken as right."""
    shapes = shapes or {name: tensor.shape for name, tensor in state.parameters.items()}
    moments = {name: dict.fromkeys(("exp_avg", "exp_avg_sq"), shape) | {"step": ()} for name, shape in shapes.items()}
    found = {name: {field: tensor.shape for field, tensor in fields.items()} for name, fields in state.adam.items()}
    if {name: tensor.shape for name, tensor in state.parameters.items()} != shapes:
        raise ValueError("its parameters are not those of the trial's model")
    if found != moments:
        raise ValueError("Adam's state does not match its parameters")
    tensors = [*state.parameters.values(), *(tensor for fields in state.adam.values() for tensor in fields.values())]
    if any(tensor.dtype != torch.float32 for tensor in tensors):
        raise ValueError("its tensors are not all of float32")
    if not state.history and any(fields["step"] for fields in state.adam.values()):
        raise ValueError("it has steps but no history")


def stated(payload: bytes) -> dict[str, str]:
    """What a checkpoint says of itself, unchecked; empty if it says nothing.

    Its JSON header: its length in the first eight bytes, little-endian, then the text.
    """
    try:
        length = int.from_bytes(payload[:8], "little")
        return _METADATA.validate_python(from_json(payload[8 : 8 + length])["__metadata__"], strict=True)
    except (ValueError, LookupError, TypeError):
        return {}
