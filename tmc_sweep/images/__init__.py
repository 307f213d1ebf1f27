"""The data sets as arrays: found in whatever layout they lie in, else downloaded, checked, and whole in memory.

Nothing here needs torch but CIFAR-10's pickles, and the addresses of downloads, which are torchvision's.
"""

from tmc_sweep.images.load import Images, is_here, load
from tmc_sweep.images.places import data_root

__all__ = ["Images", "data_root", "is_here", "load"]
