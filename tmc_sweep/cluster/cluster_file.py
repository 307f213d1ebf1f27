"""The documents in a cluster file, which a user names on the command line."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tmc_sweep import input_file
from tmc_sweep.errors import InputError
from tmc_sweep.text import first_line

_MOST_BYTES = 2**20


def documents(file: Path, option: str) -> list[Any]:
    """The YAML documents in a file; InputError, which names the command's `option`, if it cannot be read as YAML."""
    try:
        return list(YAML(typ="safe").load_all(input_file.read(file, _MOST_BYTES)))
    except OSError as error:
        raise InputError(
            f"{option} must be a file of `ray up`, but {file} is not ({error.strerror}): name one, such as in cluster/"
        ) from None
    except (YAMLError, ValueError) as error:
        raise InputError(f"{file} must be YAML, but {first_line(error)}: correct it") from None
