"""Exploration: some places of a list are for items of which too little is known, and clicks on them teach which."""

from foretaste.serving.exploration.config import ExplorationConfig
from foretaste.serving.exploration.policy import Explored, Explorer, Policy, draw_of

__all__ = ["ExplorationConfig", "Explored", "Explorer", "Policy", "draw_of"]
