"""The article this project reproduces: its claims, its published numbers, and how our sweeps stand beside them."""
