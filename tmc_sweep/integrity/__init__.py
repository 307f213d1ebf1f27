"""Whether what is stored is whole and true, and how it is mended: verified, repaired, trained again. No Ray."""
