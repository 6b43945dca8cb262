"""Models that give every user and item a short vector."""
