"""Figures and pages of sweeps, from their tables alone: no torch, no Ray."""
