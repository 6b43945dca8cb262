"""Accuracy on public data."""
