"""What one worker learns from the events of all workers."""

from foretaste.monitoring import Metrics
from foretaste.serving.live.counting import Counting
from foretaste.serving.live.follower import EventFollower
from foretaste.serving.live.models import LiveModels
from foretaste.storage.records import Records


def follower_of(records: Records, live: LiveModels, counting: Counting, *, metrics: Metrics) -> EventFollower:
    """A follower with all who learn: live counters, and the comparison of clicks while a new version is a canary."""
    follower, trials = EventFollower(records, metrics=metrics), live.trials
    follower.subscribe("counters", counting.take, wants=counting.is_wanted, prepare=counting.prepare)
    follower.subscribe("clicks", trials.on_events, wants=lambda: trials.counts_clicks, in_loop=True)
    return follower
