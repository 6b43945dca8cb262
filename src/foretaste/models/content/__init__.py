"""Models that know items by their features."""
