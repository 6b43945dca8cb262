"""Models that need next to nothing: what every other model must beat."""
