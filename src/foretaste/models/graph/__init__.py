"""Models that smooth a history over the graph of who took what."""
