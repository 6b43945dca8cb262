"""The description of a pipeline: which models are trained, and how their candidates become one list.

A pipeline is a TOML file; ``shop`` comes with the package. :func:`load_pipeline` decodes and checks it.
"""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from foretaste.data import MAX_K
from foretaste.errors import ConfigurationError, RuleError
from foretaste.rerank import RerankStep
from foretaste.serving.cold.kinds import FRIENDS, FriendsConfig
from foretaste.serving.cold.sessions import SessionConfig
from foretaste.serving.cold.tastes import OnboardingConfig
from foretaste.serving.exploration.config import ExplorationConfig
from foretaste.serving.live.groups import LIVE_KINDS, CountersConfig, LiveSourceConfig
from foretaste.serving.live.guards import RolloutConfig
from foretaste.serving.live.updates_config import UpdatesConfig
from foretaste.serving.ranking_config import RankingConfig
from foretaste.serving.rules.config import RuleSet
from foretaste.serving.source_config import CHANGING_KINDS, PRECOMPUTED, SOURCE_KINDS, Part, SourceConfig
from foretaste.validation import first_fault

DEFAULT_PIPELINE = "shop"
LEAST_POOL = 100
"""Candidates kept by default, or five times the list where that is more."""
Kind = Literal["popular", "trending", "new"]


class ModelSpec(Part):
    """One model to train: its registered kind, its parameters (all other keys), and when to take another instead."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False, protected_namespaces=())

    kind: str
    """Name in the model registry."""
    max_items: PositiveInt | None = None
    """Largest catalogue for which it is taken; above it ``or_else`` is."""
    or_else: "ModelSpec | None" = None
    """The model for larger catalogues."""
    optional: bool = False
    """Leave it out, with a note, when the data set lacks what it learns from."""

    @property
    def parameters(self) -> dict[str, Any]:
        """What the model is created with."""
        return dict(self.model_extra or {})

    def chosen(self, n_items: int) -> "ModelSpec":
        """The spec to train for a catalogue of ``n_items``."""
        if self.max_items is not None and n_items > self.max_items and self.or_else is not None:
            return self.or_else.chosen(n_items)
        return self


class MergeConfig(Part):
    """How candidates of several sources become one ranking."""

    method: Literal["reciprocal_rank", "normalised_score"] = "reciprocal_rank"
    """Add up weight / (damping + rank), or weight × score scaled to 0 … 1 within each source."""
    damping: PositiveFloat = 60.0
    """Larger gives the first ranks less of a lead (reciprocal_rank only)."""


class PrecomputeConfig(Part):
    """Lists that each training makes for everybody in advance; sources of the kind ``precomputed`` give them."""

    sources: tuple[SourceConfig, ...] = ()
    """Models that give them; empty means those of the pipeline's own sources that are models."""
    ranking: RankingConfig | None = None
    """What orders them, also a model that is too slow for requests."""
    k: PositiveInt = Field(default=100, le=MAX_K)
    """Items of a list; 8 bytes each for every user."""

    @model_validator(mode="after")
    def _are_models(self) -> Self:
        for source in self.sources:
            if source.model is None:
                raise ValueError(f"{source.kind!r} is no model, and only models can give lists in advance")
        return self


class DeadlinesConfig(Part):
    """How long a request may take. What is late is left out, and the answer says so; evaluation and batch jobs wait.

    Within ``total_ms`` each stage may take its own time; when none is left, ranking, reranking and exploration are
    passed over.
    """

    candidates_ms: PositiveFloat = 500.0
    """All sources together, which run at the same time."""
    ranking_ms: PositiveFloat = 300.0
    rerank_ms: PositiveFloat = 300.0
    explore_ms: PositiveFloat = 100.0
    total_ms: PositiveFloat = 900.0
    """From the start of the pipeline; the fallback chain still gets a moment after it."""

    def of(self, stage: str) -> float | None:
        """The time of one stage alone; None when it has none of its own."""
        found: float | None = getattr(self, f"{stage}_ms", None)
        return found


class SimilarConfig(Part):
    """Where similar items come from."""

    models: tuple[str, ...] = ()
    """Tried in this order; empty means every model that can, in the order of the file."""


class FallbackConfig(Part):
    """Who answers when nobody else can."""

    chain: tuple[str, ...] = ()
    """Models that need no history, or kinds of sources, tried in this order; the newest of the catalogue come last."""


class ScenarioConfig(Part):
    """What one place of use (home, product, basket …) does differently; absent parts are the pipeline's."""

    sources: tuple[SourceConfig, ...] | None = None
    """Sources instead of the pipeline's."""
    ranking: RankingConfig | None = None
    """Ranking instead of the pipeline's."""
    exclude_seen: bool = True
    """Leave out what the user had before."""
    rerank: tuple[RerankStep, ...] | None = None
    """Rerankers instead of the pipeline's."""
    exploration: ExplorationConfig | None = None
    """Exploration instead of the pipeline's, as a policy of its own; ``share = 0`` turns it off."""
    rules: tuple[dict[str, Any], ...] = ()
    """Rules that hold here only, beside the pipeline's."""
    pool: PositiveInt | None = Field(default=None, le=MAX_K)
    """Candidates kept after merging instead of the pipeline's."""
    deadlines: DeadlinesConfig | None = None
    """Deadlines instead of the pipeline's."""

    def pool_for(self, k: int) -> int:
        """Candidates kept for a list of ``k``: as configured, never fewer than ``k``."""
        return max(k, min(MAX_K, self.pool if self.pool is not None else max(LEAST_POOL, 5 * k)))


class PipelineConfig(Part):
    """A whole pipeline. Every name used in sources, ranking, similar and fallback is one of ``models``."""

    name: str = "pipeline"
    """For logs and reports."""
    data: dict[str, Any] = Field(default_factory=dict)
    """How events become a data set: the fields of ``foretaste.data.BuildConfig``."""
    models: dict[str, ModelSpec] = Field(min_length=1)
    """Models to train, by the name they have in this pipeline."""
    sources: tuple[SourceConfig, ...] = ()
    """Candidate sources; empty means every list comes from the fallback chain."""
    merge: MergeConfig = MergeConfig()
    """How sources are merged."""
    precompute: PrecomputeConfig | None = None
    """Lists for everybody, made with each version; None makes none."""
    ranking: RankingConfig | None = None
    """Second stage; None keeps the merged order."""
    rerank: tuple[RerankStep, ...] = ()
    """Rerankers (``kind`` and parameters), each working on what the one before gave."""
    exploration: ExplorationConfig | None = None
    """Places of each list that a bandit fills; see ``docs/serving/rerank.md``. Only a running service explores."""
    rules: tuple[dict[str, Any], ...] = ()
    """What may be shown and what comes first; see ``docs/serving/rules.md``."""
    pool: PositiveInt | None = Field(default=None, le=MAX_K)
    """Candidates kept after merging, for ranking, rules and rerankers to choose from; by default 100, or 5·k where that
    is more.
    """
    deadlines: DeadlinesConfig = DeadlinesConfig()
    """How long a request may take."""
    similar: SimilarConfig = SimilarConfig()
    """Sources of similar items."""
    fallback: FallbackConfig = FallbackConfig()
    """Fallback chain."""
    session: SessionConfig = SessionConfig()
    """How the events of an anonymous session count."""
    onboarding: OnboardingConfig = OnboardingConfig()
    """What newcomers are asked, and until when."""
    counters: CountersConfig = CountersConfig()
    """What the live counters count, where a source uses them."""
    updates: UpdatesConfig = UpdatesConfig()
    """How the live models learn between two trainings."""
    rollout: RolloutConfig = RolloutConfig()
    """How a new version comes in, and what sends it back."""
    scenarios: dict[str, ScenarioConfig] = Field(default_factory=dict)
    """Overrides by scenario name; an unknown scenario is served as the pipeline itself."""

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        used = [source.model for source in self.sources if source.model is not None]
        used += [*self.similar.models, *(name for name in self.fallback.chain if name not in SOURCE_KINDS)]
        rankings = [self.ranking, *(scenario.ranking for scenario in self.scenarios.values())]
        if self.precompute is not None:
            used += [source.model for source in self.precompute.sources if source.model is not None]
            rankings.append(self.precompute.ranking)
        used += [ranking.model for ranking in rankings if ranking is not None and ranking.model is not None]
        for scenario in self.scenarios.values():
            used += [source.model for source in scenario.sources or () if source.model is not None]
        missing = sorted(set(used) - set(self.models))
        if missing:
            raise ValueError(f"{missing[0]!r} is used but not among the models: {', '.join(self.models)}")
        return self

    @model_validator(mode="after")
    def _features_exist(self) -> Self:
        places = [(own.ranking, own.sources or ()) for own in map(self.scenario, ("", *self.scenarios))]
        if (made := self.precompute) is not None:
            places.append((made.ranking, tuple(s for s in made.sources or self.sources if s.model is not None)))
        for ranking, sources in places:
            if ranking is not None:
                ranking.check([source.name for source in sources])
        return self

    @model_validator(mode="after")
    def _labels_are_unique(self) -> Self:
        of_label: dict[str, tuple[Any, ...]] = {}
        for sources in (self.sources, *(scenario.sources or () for scenario in self.scenarios.values())):
            names = [source.name for source in sources]
            if len(set(names)) < len(names):
                raise ValueError(f"source {max(names, key=names.count)!r} is named twice")
            for source in sources:
                what = (source.model, source.kind, source.parameters)
                if of_label.setdefault(source.name, what) != what:
                    raise ValueError(f"two different sources are both named {source.name!r}: give each a label")
        return self

    @model_validator(mode="after")
    def _lists_are_made(self) -> Self:
        of_scenarios = [source for scenario in self.scenarios.values() for source in scenario.sources or ()]
        kinds = {*(source.kind for source in (*self.sources, *of_scenarios)), *self.fallback.chain}
        if self.precompute is None and PRECOMPUTED in kinds:
            raise ValueError("a source of the kind 'precomputed' needs a part [precompute], which makes its lists")
        if self.precompute is not None and not (self.precompute.sources or any(s.model for s in self.sources)):
            raise ValueError("precompute names no sources, and none of the pipeline's is a model")
        return self

    @model_validator(mode="after")
    def _rules_and_keys_are_right(self) -> Self:
        self.rule_set()
        for source in self._all_sources():
            if source.kind in LIVE_KINDS:
                LiveSourceConfig.of(source.parameters).check(source.name, source.kind, self.counters)
        return self

    def rule_set(self) -> RuleSet:
        """The rules of the pipeline and of its scenarios.

        Raises:
            RuleError: names the rule, the field and the place.
        """
        rules = RuleSet.parse(self.rules)
        for name, scenario in self.scenarios.items():
            try:
                rules = rules.with_scenario(name, RuleSet.parse(scenario.rules))
            except RuleError as exc:
                raise RuleError(f"scenarios.{name}.{exc.message}", hint=exc.hint, details=exc.details) from exc
        return rules

    def _all_sources(self) -> list[SourceConfig]:
        chain = [SourceConfig(kind=name) for name in self.fallback.chain if name in SOURCE_KINDS]
        return [*self.sources, *(source for own in self.scenarios.values() for source in own.sources or ()), *chain]

    @property
    def uses_counters(self) -> bool:
        """Whether any source, or the fallback chain, is fed by live counters."""
        return any(source.kind in LIVE_KINDS for source in self._all_sources())

    def keep_s(self, scenario: str | None) -> float | None:
        """Longest time for which a list of a scenario (None: one from the fallback chain alone) may be served from a
        cache; None for any.
        """
        own = self.scenarios.get(scenario or "", ScenarioConfig()).sources
        sources = () if scenario is None else self.sources if own is None else own
        kinds = {source.kind for source in sources} | set(self.fallback.chain)
        return None if kinds.isdisjoint(CHANGING_KINDS) else self.counters.keep_s

    def scenario(self, name: str) -> ScenarioConfig:
        """The scenario with everything filled in."""
        own = self.scenarios.get(name, ScenarioConfig())
        return ScenarioConfig(
            sources=self.sources if own.sources is None else own.sources,
            ranking=self.ranking if own.ranking is None else own.ranking,
            exclude_seen=own.exclude_seen,
            rerank=self.rerank if own.rerank is None else own.rerank,
            exploration=self.exploration if own.exploration is None else own.exploration,
            pool=self.pool if own.pool is None else own.pool,
            deadlines=self.deadlines if own.deadlines is None else own.deadlines,
        )

    def explorations(self) -> Iterator[tuple[str, ExplorationConfig]]:
        """The tables of exploration: that of the pipeline by the name ``""``, those of scenarios by theirs."""
        if self.exploration is not None:
            yield "", self.exploration
        for name, scenario in self.scenarios.items():
            if scenario.exploration is not None:
                yield name, scenario.exploration

    def shows_arrivals(self, scenario: str) -> bool:
        """Whether a new item may come into the lists of a scenario at once."""
        return any(source.kind == "arrivals" for source in self.scenario(scenario).sources or ())

    @cached_property
    def friend_attributes(self) -> tuple[str, ...]:
        """Attributes of users in which any source looks for friends."""
        used = [FriendsConfig(**source.parameters) for source in self._all_sources() if source.kind == FRIENDS]
        return tuple(dict.fromkeys(settings.attribute for settings in used))

    def dump(self) -> dict[str, Any]:
        """JSON values from which :func:`parse_pipeline` makes the same pipeline."""
        return self.model_dump(mode="json", exclude_none=True)


def parse_pipeline(
    values: Mapping[str, Any], *, origin: str = "pipeline", hint: str = "correct the pipeline file"
) -> PipelineConfig:
    """A checked pipeline from decoded TOML or JSON.

    Raises:
        ConfigurationError: names the place, the value and what is wrong.
    """
    try:
        return PipelineConfig.model_validate(dict(values))
    except RuleError as exc:
        raise RuleError(f"{origin}: {exc.message}", hint=exc.hint, details=exc.details) from exc
    except ValidationError as exc:
        fault = first_fault(exc)
        place, shown = fault.place, repr(fault.value)
        said = f"{place} = {shown}: " if place and len(shown) <= 80 else f"{place}: " if place else ""
        raise ConfigurationError(f"{origin}: {said}{fault.message}", hint=hint) from exc


def load_pipeline(path: Path | str | None = None) -> PipelineConfig:
    """The pipeline of a TOML file, of the packaged file with that name, or the default one.

    Raises:
        ConfigurationError: the file is missing, no TOML, or describes no valid pipeline.
    """
    packaged = files("foretaste") / "pipelines"
    if path is None or str(path).isidentifier():
        source: Any = packaged / f"{path or DEFAULT_PIPELINE}.toml"
    else:
        source = Path(path)
    try:
        values = tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError(
            f"pipeline {str(path)!r} cannot be read: {exc}",
            hint=f"give a TOML file, or the name of a packaged one: {', '.join(packaged_pipelines())}",
        ) from exc
    except tomllib.TOMLDecodeError as exc:
        raise ConfigurationError(f"{source} is not valid TOML: {exc}") from exc
    return parse_pipeline(values, origin=str(path or DEFAULT_PIPELINE))


def packaged_pipelines() -> list[str]:
    """Names of the pipelines that come with the package."""
    folder = files("foretaste") / "pipelines"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))
