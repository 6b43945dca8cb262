"""Figures of a running service, in Prometheus' text form."""

from foretaste.monitoring.metrics import Metrics

__all__ = ["Metrics"]
