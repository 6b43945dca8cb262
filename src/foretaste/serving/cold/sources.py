"""The sources for newcomers and new items, by kind."""

from collections.abc import Mapping

from foretaste.serving.cold.arrivals import ArrivalsMaker
from foretaste.serving.cold.circles import Circles
from foretaste.serving.cold.friends import friends_maker
from foretaste.serving.cold.interests import InterestsMaker
from foretaste.serving.cold.kinds import FRIENDS
from foretaste.serving.pipeline.parts import SourceMaker


def cold_sources(circles: Circles) -> Mapping[str, SourceMaker]:
    """Kind → maker, each with a memory of its own; ``circles`` are those of the users who ask."""
    return {
        "arrivals": ArrivalsMaker(),
        "interests": InterestsMaker(),
        FRIENDS: friends_maker(circles),
    }
