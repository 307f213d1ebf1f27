"""The data sets as arrays: found in whatever layout they lie in, else downloaded, checked, and whole in memory.

Nothing here needs torch but CIFAR-10's pickles, and the addresses of downloads, which are torchvision's.
"""

from tmc_sweep.images.folders import data_root
from tmc_sweep.images.load import Images, is_here, load

__all__ = ["Images", "data_root", "is_here", "load"]
