"""The pipeline itself: runs the stages in their order, and knows nothing of what they do."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from foretaste.data import Query, RecLists
from foretaste.rerank import create_reranker
from foretaste.serving.config import PipelineConfig
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.view import Views
from foretaste.serving.pipeline.batch import Batch, Draft
from foretaste.serving.pipeline.candidates import gather
from foretaste.serving.pipeline.explain import explain as explained
from foretaste.serving.pipeline.explore import Exploring
from foretaste.serving.pipeline.fill import fill
from foretaste.serving.pipeline.journal import Journal
from foretaste.serving.pipeline.outcome import Outcome
from foretaste.serving.pipeline.parts import Mask, Parts
from foretaste.serving.pipeline.prepared import prepared_source
from foretaste.serving.pipeline.ranking import rank
from foretaste.serving.pipeline.rerank import rerank
from foretaste.serving.pipeline.rules import boost, pin_again, settle
from foretaste.serving.pipeline.sources import Sources
from foretaste.serving.pipeline.timing import Watch
from foretaste.serving.pipeline.trace import traced
from foretaste.serving.rules import Decision, RuleBook, User
from foretaste.serving.source_config import PRECOMPUTED

_UNKNOWN = ""
"""Stands for all scenarios that the pipeline does not name."""


class Pipeline:
    """Turns queries into lists with the models of a bundle; synchronous, and safe to call from several threads."""

    def __init__(
        self,
        config: PipelineConfig,
        *,
        min_history: int = 1,
        parts: Parts | None = None,
        rules: RuleBook | None = None,
        is_shaped: bool = True,
    ) -> None:
        """``rules``: by default those of ``config``; without ``is_shaped`` they hide but neither boost, pin nor cap."""
        self.config = config
        self.rules = rules if rules is not None else RuleBook(config.rule_set())
        self._is_shaped = is_shaped
        self.min_history = max(1, min_history)
        """Known interactions below which a user is served from the fallback chain."""
        self.parts = parts if parts is not None else Parts()
        self._sources: Sources | None = None
        self._views = Views()
        steps = [*config.rerank, *(step for own in config.scenarios.values() for step in own.rerank or ())]
        self._rerankers = {id(step): create_reranker(step) for step in steps}
        self._exploring = Exploring(config, self.parts.explorer)
        self._scenarios = {name: config.scenario(name) for name in (_UNKNOWN, *config.scenarios)}

    def recommend(
        self,
        queries: Sequence[Query],
        bundle: Bundle,
        *,
        catalogue: Catalogue | None = None,
        allowed: Mask | None = None,
        explain: bool = False,
    ) -> RecLists:
        """The lists alone; see :meth:`run`."""
        return self.run(queries, bundle, catalogue=catalogue, allowed=allowed, explain=explain).lists

    def run(
        self,
        queries: Sequence[Query],
        bundle: Bundle,
        *,
        catalogue: Catalogue | None = None,
        allowed: Mask | None = None,
        users: Sequence[User | None] | None = None,
        explain: bool = False,
        now: float | None = None,
        seed: int = 0,
        in_time: bool = False,
        explores: bool = False,
        trace: frozenset[str] | None = None,
    ) -> Outcome:
        """A list for each query, of exactly ``k`` items wherever that many may be shown.

        Args:
            queries: all of one scenario (the first one's counts).
            bundle: the models.
            catalogue: items in the store; by default those of the models, all available.
            allowed: mask over the catalogue's rows (I,), or by query (B, I), on top of availability.
            users: what rules may know of each query's user; by default nothing.
            explain: attach a reason to each item.
            now: the moment, seconds since 1970 UTC; by default this one.
            seed: of whatever is drawn at random.
            explores: let the scenario's exploration fill its places: for lists that somebody sees and that are
                logged.
            in_time: keep the scenario's deadlines; without, every source is waited for.
            trace: say in the outcome how these items came to where they are, or why they are not in the list; empty
                means the items of the list and the next candidates.

        A source that raises or is late is logged and left out; so the call itself fails only on wrong arguments.
        """
        catalogue = catalogue if catalogue is not None else Catalogue(bundle.items)
        name = queries[0].scenario if queries else _UNKNOWN
        scenario = self._scenarios[name if name in self._scenarios else _UNKNOWN]
        if not scenario.exclude_seen:
            queries = [replace(query, exclude_seen=False) for query in queries]
        now = time.time() if now is None else now
        watch = Watch(scenario.deadlines if in_time else None)
        with watch.stage("rules"):
            decision = self.decide(queries, catalogue, users=users, allowed=allowed, now=now)
        batch = Batch(
            queries=queries,
            users=users if users is not None else [None] * len(queries),
            bundle=bundle,
            catalogue=catalogue,
            config=self.config,
            scenario=scenario,
            decision=decision,
            warm=np.array([self._is_warm(query, bundle) for query in queries], dtype=bool),
            now=now,
            seed=seed,
            guard=self.parts.guard if in_time else None,
            watch=watch,
            draft=Draft.empty(len(queries), 1),
            skipped=[[] for _ in queries],
            view=lambda: self._views.of(bundle, catalogue),
            journal=None if trace is None else Journal(trace),
        )
        return self._through(batch, self._sources_for(bundle, catalogue), explain, explores)

    def decide(
        self,
        queries: Sequence[Query],
        catalogue: Catalogue,
        *,
        users: Sequence[User | None] | None = None,
        allowed: Mask | None = None,
        now: float,
    ) -> Decision:
        """What the rules say of these queries, within ``allowed`` (as in :meth:`run`)."""
        users = users if users is not None else [None] * len(queries)
        decision = self.rules.over(catalogue).decide(queries, users, now=now)
        decision = decision if self._is_shaped else decision.hiding_only(len(queries))
        return decision if allowed is None else decision.within(allowed)

    def _through(self, batch: Batch, sources: Sources, explain: bool, explores: bool) -> Outcome:
        watch = batch.watch
        with watch.stage("candidates"):
            gather(batch, sources)
        with watch.stage("ranking"):
            rank(batch)
        with watch.stage("rules"):
            boost(batch)
        with watch.stage("rerank"):
            rerank(batch, self._rerankers)
        pool = batch.draft
        with watch.stage("rules"):
            settle(batch)
        policy = self._exploring.policy(batch.queries[0].scenario) if explores and batch.queries else None
        if policy is not None:
            with watch.stage("explore"):
                self._exploring.explore(batch, policy, pool)
        with watch.stage("fill"):
            fallbacks = fill(batch, sources, pool)
            pin_again(batch)
        draft = batch.draft
        user_ids = [query.user_id for query in batch.queries]
        lists = RecLists(draft.rows, draft.scores, batch.catalogue.items, user_ids, draft.codes, tuple(draft.names))
        if explain:
            with watch.stage("explain"):
                lists = explained(lists, batch.queries, sources)
        return Outcome(
            lists,
            fallbacks,
            tuple(tuple(skipped) for skipped in batch.skipped),
            tuple(dict.fromkeys(batch.failed)),
            watch.seconds,
            tuple(batch.explored),
            () if batch.journal is None else traced(batch, batch.journal, pool),
        )

    def _sources_for(self, bundle: Bundle, catalogue: Catalogue) -> Sources:
        """The sources made for this bundle and catalogue; several threads may make them at once, the last one stays."""
        found = self._sources
        if found is None or found.bundle is not bundle or found.catalogue is not catalogue:
            makers = {PRECOMPUTED: prepared_source, **self.parts.sources}
            found = self._sources = Sources(makers, bundle, catalogue)
        return found

    def _is_warm(self, query: Query, bundle: Bundle) -> bool:
        if query.history is not None:
            return sum(item_id in bundle.items for item_id in query.history) >= self.min_history
        row = bundle.users.row(query.user_id) if query.user_id is not None else -1
        return row >= 0 and int(bundle.population.histories.lengths[row]) >= self.min_history
