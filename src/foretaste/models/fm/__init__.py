"""Factorisation machines: factors of users, items, their features and the moment."""
