"""Measurements that anyone can repeat: ``python -m benchmarks GROUP [NAME…]`` from the repository's root."""
