"""The article's data files, claims.yaml and published.yaml: read like a user's YAML, and checked by pydantic models."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tmc_sweep.errors import InputError
from tmc_sweep.space.source import read, tree


class DataFile(BaseModel):
    """Base class of the models of data files and their parts; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


_DataFile = TypeVar("_DataFile", bound=DataFile)


def load(model: type[_DataFile], name: str) -> _DataFile:
    """The data file of this name beside this module; InputError, with the place in it, if it does not fit the model."""
    node = tree(read(Path(__file__).with_name(name)), name)
    try:
        return model.model_validate(node.plain())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{node.at(first['loc']).mark}: {where}: {first['msg']}: correct the file") from None
