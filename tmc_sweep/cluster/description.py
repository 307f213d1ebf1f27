"""The documents in a cluster file."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tmc_sweep.errors import InputError
from tmc_sweep.said import first_line


def documents(file: Path, option: str) -> list[Any]:
    """What the file holds; InputError, naming the command's option, if it cannot be read as YAML."""
    if not file.is_file():
        raise InputError(f"{option} must be a file of `ray up`, but there is no {file}: name one, such as in cluster/")
    try:
        return list(YAML(typ="safe").load_all(file))
    except (YAMLError, ValueError) as error:
        raise InputError(f"{file} must be YAML, but {first_line(error)}: correct it") from None
