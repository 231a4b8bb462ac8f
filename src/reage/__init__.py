"""Give it a photo and an age, get the same person at that age."""

__version__ = "0.1.0"
