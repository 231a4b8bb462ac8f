"""Detect faces, align them to the training crop, and blend them back."""
