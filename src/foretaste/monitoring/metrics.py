"""Counters and histograms of one engine."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_STAGE_SECONDS = (0.0001, 0.00025, 0.0005, *_SECONDS[:10])
_BREAKER = {"closed": 0, "half_open": 1, "open": 2}


class Metrics:
    """What is counted; every engine has its own registry, so two in one process do not mix.

    Labels hold routes, model names and codes, never ids of users or items.
    """

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        at = self.registry
        self._requests = Counter(
            "foretaste_http_requests", "Requests by route and status.", ["method", "route", "status"], registry=at
        )
        self._latency = Histogram(
            "foretaste_http_request_seconds",
            "Time to answer, by route.",
            ["method", "route"],
            buckets=_SECONDS,
            registry=at,
        )
        self._lists = Counter(
            "foretaste_lists_answered",
            "Lists answered, by scenario and fallback.",
            ["scenario", "fallback"],
            registry=at,
        )
        self._degraded = Counter("foretaste_lists_degraded", "Lists answered although something failed.", registry=at)
        self._items = Counter(
            "foretaste_items_recommended", "Items in answered lists, by source.", ["source"], registry=at
        )
        self._source_errors = Counter(
            "foretaste_source_errors", "Sources that failed, by model.", ["source"], registry=at
        )
        self._seconds = Histogram(
            "foretaste_pipeline_seconds",
            "Time from query to list, by scenario.",
            ["scenario"],
            buckets=_SECONDS,
            registry=at,
        )
        self._stages = Histogram(
            "foretaste_stage_seconds",
            "Time that one batch spent in a stage of the pipeline.",
            ["stage"],
            buckets=_STAGE_SECONDS,
            registry=at,
        )
        self._breakers = Gauge(
            "foretaste_source_breaker",
            "Whether a source is asked: 0 it is, 1 it is tried again, 2 it is left alone.",
            ["source"],
            registry=at,
        )
        self._skipped = Counter(
            "foretaste_sources_skipped", "Sources and stages left out, by why.", ["source", "why"], registry=at
        )
        self._records = Counter(
            "foretaste_records", "Records received, by kind and what became of them.", ["kind", "result"], registry=at
        )
        self._store_errors = Counter(
            "foretaste_store_errors", "Failed calls of the record store, by purpose.", ["purpose"], registry=at
        )
        self._exposures = Counter(
            "foretaste_exposures", "Lists shown: stored, shown_again (servings), dropped.", ["result"], registry=at
        )
        self._explored = Counter(
            "foretaste_explored_items",
            "Explored items that were learnt from: shown, rewarded.",
            ["result"],
            registry=at,
        )
        self._refused = Counter(
            "foretaste_requests_refused", "Requests refused at the gate, by reason.", ["reason"], registry=at
        )
        self._followed = Counter("foretaste_followed_events", "Events handed to what learns from them.", registry=at)
        self._poison = Counter(
            "foretaste_poison_events", "Events that a subscriber refused, by subscriber.", ["subscriber"], registry=at
        )
        self._follower_lag = Gauge(
            "foretaste_follower_lag_seconds", "Events that arrived longer ago have been handed out.", registry=at
        )
        self._updates = Counter(
            "foretaste_model_updates",
            "Updates of the live models: taken, outrun by a swap, failed.",
            ["result"],
            registry=at,
        )
        self._loads = Counter("foretaste_model_loads", "Model versions loaded or refused.", ["result"], registry=at)
        self._rollouts = Counter(
            "foretaste_rollout_actions", "Steps of rollouts that this process took.", ["action"], registry=at
        )
        self._model = Gauge("foretaste_model_info", "The live model version (always 1).", ["version"], registry=at)
        self._loaded_at = Gauge(
            "foretaste_model_loaded_timestamp_seconds", "When the live version was taken up.", registry=at
        )
        self._catalogue = Gauge("foretaste_catalogue_items", "Items that may be shown.", registry=at)

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """One answered HTTP request; ``route`` is the pattern, not the path."""
        self._requests.labels(method, route, str(status)).inc()
        self._latency.labels(method, route).observe(seconds)

    def request_observer(self, method: str, route: str, status: int) -> Callable[[float], None]:
        """What :meth:`observe_request` does for one route and status, with the labels looked up once."""
        count = self._requests.labels(method, route, str(status)).inc
        time = self._latency.labels(method, route).observe

        def observe(seconds: float) -> None:
            count()
            time(seconds)

        return observe

    def observe_list(self, *, scenario: str, fallback: str, sources: Iterable[str], degraded: bool) -> None:
        """One answered list; ``sources`` has one entry an item."""
        self._lists.labels(scenario, fallback).inc()
        if degraded:
            self._degraded.inc()
        for source in sources:
            self._items.labels(source).inc()

    def observe_pipeline(self, scenario: str, seconds: float) -> None:
        """The time that one batch took."""
        self._seconds.labels(scenario).observe(seconds)

    def observe_stages(self, seconds: Mapping[str, float]) -> None:
        """The time that one batch spent in each stage."""
        for stage, value in seconds.items():
            self._stages.labels(stage).observe(value)

    def set_breaker(self, source: str, state: str) -> None:
        """How the breaker of a source stands now: ``closed``, ``half_open`` or ``open``."""
        self._breakers.labels(source).set(_BREAKER[state])

    def count_skipped(self, source: str, why: str) -> None:
        """A source or stage that was left out of one batch."""
        self._skipped.labels(source, why).inc()

    def count_source_error(self, source: str) -> None:
        """A source that raised."""
        self._source_errors.labels(source).inc()

    def count_records(self, kind: str, result: str, n: int = 1) -> None:
        """Records of a kind (event, user, item) that were stored, duplicate, rejected or failed."""
        if n:
            self._records.labels(kind, result).inc(n)

    def count_store_error(self, purpose: str) -> None:
        """A call of the record store that failed."""
        self._store_errors.labels(purpose).inc()

    def count_exposures(self, result: str, n: int = 1) -> None:
        """Lists shown that were ``stored`` or ``dropped``, servings that were ``shown_again``."""
        if n:
            self._exposures.labels(result).inc(n)

    def count_explored(self, result: str, n: int) -> None:
        """Explored items that were ``shown``, or ``rewarded`` by an event."""
        self._explored.labels(result).inc(n)

    def count_refused(self, reason: str) -> None:
        """A request that was not let in: no_credential, credential, guessing, scope, rate, origin."""
        self._refused.labels(reason).inc()

    def count_followed(self, n: int) -> None:
        """Events that were handed to all who want them."""
        self._followed.inc(n)

    def count_poison(self, subscriber: str) -> None:
        """An event that a subscriber of the follower refused."""
        self._poison.labels(subscriber).inc()

    def set_follower_lag(self, lag_s: Callable[[], float]) -> None:
        """Where the lag of the follower is read from."""
        self._follower_lag.set_function(lag_s)

    def count_update(self, result: str) -> None:
        """An update of the live models that was ``taken``, ``outrun`` (others went live meanwhile) or ``failed``."""
        self._updates.labels(result).inc()

    def count_load(self, result: str) -> None:
        """A model version that was ``loaded`` or ``refused``."""
        self._loads.labels(result).inc()

    def count_rollout(self, action: str) -> None:
        """A step of a rollout: ``begun``, ``canary``, ``swapped``, ``kept``, ``rolled_back``, ``refused`` …"""
        self._rollouts.labels(action).inc()

    def set_model(self, version: str, at: float) -> None:
        """The version that is live from now on."""
        self._model.clear()
        self._model.labels(version).set(1)
        self._loaded_at.set(at)

    def set_catalogue(self, n_items: int) -> None:
        """How many items may be shown."""
        self._catalogue.set(n_items)

    def text(self) -> bytes:
        """All figures in Prometheus' text form."""
        return generate_latest(self.registry)
