"""What is kept: the record store (users, items, events, dead letters) and the artifact store (models). Async only."""
