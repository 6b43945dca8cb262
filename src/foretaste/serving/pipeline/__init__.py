"""The pipeline: candidates → ranking → rules → rerank → exploration → fill → explanation.

The same object runs in evaluation, batch and the server. Each stage is a module of its own here.
"""

from foretaste.serving.pipeline.guard import Guard
from foretaste.serving.pipeline.outcome import Outcome
from foretaste.serving.pipeline.parts import Explaining, Parts, Source, SourceMaker
from foretaste.serving.pipeline.pipeline import Pipeline
from foretaste.serving.pipeline.sources import CATALOGUE
from foretaste.serving.pipeline.timing import STAGES

__all__ = ["CATALOGUE", "STAGES", "Explaining", "Guard", "Outcome", "Parts", "Pipeline", "Source", "SourceMaker"]
