"""What one worker learns from the events of all workers."""

from concurrent.futures import Executor

from foretaste.monitoring import Metrics
from foretaste.serving.exploration import Explorer
from foretaste.serving.exploration.learner import Learner
from foretaste.serving.live.counting import Counting
from foretaste.serving.live.follower import EventFollower
from foretaste.serving.live.models import LiveModels
from foretaste.serving.live.updates import ModelUpdates
from foretaste.storage.records import Records


class Following:
    """The follower of one engine with all who learn: live counters, the comparison of clicks during a canary, the
    policies that explore; and the updates of the live models, which read events for themselves.
    """

    def __init__(
        self,
        records: Records,
        live: LiveModels,
        counting: Counting,
        explorer: Explorer,
        *,
        metrics: Metrics,
        executor: Executor,
    ) -> None:
        self.follower = EventFollower(records, metrics=metrics)
        self.follower.subscribe("counters", counting.take, wants=counting.is_wanted, prepare=counting.prepare)
        trials = live.trials
        self.follower.subscribe("clicks", trials.on_events, wants=lambda: trials.counts_clicks, in_loop=True)
        self.learner = Learner(records, explorer, metrics=metrics)
        learner = self.learner
        self.follower.subscribe("exploration", learner.take, wants=learner.wants, prepare=learner.prepare, in_loop=True)
        self.updates = ModelUpdates(records, live, metrics=metrics, executor=executor)

    async def start(self) -> None:
        """Learn from now on."""
        await self.follower.start()
        self.updates.start()

    async def close(self) -> None:
        """Stop."""
        await self.updates.close()
        await self.follower.close()
        await self.learner.save()

    def wake(self) -> None:
        """This worker has stored events: look at once."""
        self.follower.wake()
