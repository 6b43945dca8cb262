"""A realistic sample shop of any size, from a seed, with known ground truth."""

from foretaste.data.sampling.config import SampleConfig
from foretaste.data.sampling.generate import OnProgress, SampleData, generate_sample, write_sample
from foretaste.data.sampling.truth import GroundTruth

__all__ = ["GroundTruth", "OnProgress", "SampleConfig", "SampleData", "generate_sample", "write_sample"]
