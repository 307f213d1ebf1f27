"""The data sets that lie in files, by name."""

from tmc_sweep.registry import DATA_SETS

OF = {name: known.files for name, known in DATA_SETS.items() if known.files}
FILES = {name: files.names for name, files in OF.items()}
FOLDERS = {name: files.folder for name, files in OF.items()}
