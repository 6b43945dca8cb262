"""Models that score an item by a weighted sum over the items of the history."""
