"""Losses, training steps and runs."""
