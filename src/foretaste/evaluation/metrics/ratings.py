"""Accuracy of predicted ratings. They say nothing about ranking: use them beside ranking metrics, not instead."""

from typing import ClassVar

import numpy as np

from foretaste.evaluation.metrics.base import Floats, RatingMetric


class RMSE(RatingMetric):
    """Root of the mean squared error, in units of the rating."""

    name: ClassVar[str] = "rmse"

    def losses(self, predicted: Floats, actual: Floats) -> Floats:
        return (predicted - actual) ** 2

    def value(self, mean_loss: Floats) -> Floats:
        return np.sqrt(mean_loss)


class MAE(RatingMetric):
    """Mean absolute error, in units of the rating."""

    name: ClassVar[str] = "mae"

    def losses(self, predicted: Floats, actual: Floats) -> Floats:
        return np.abs(predicted - actual)
