"""Names of models: ours and those that other packages bring through the entry-point group ``foretaste.models``.

Nothing is imported before it is asked for. A third party registers with, in its ``pyproject.toml``::

    [project.entry-points."foretaste.models"]
    my_model = "my_package.my_module:MyModel"
"""

from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from foretaste.errors import ConfigurationError, UnknownNameError
from foretaste.models.base import Recommender

BUILT_IN = {
    "popular": "foretaste.models.baselines.popular:Popular",
    "segment_popular": "foretaste.models.baselines.segments:SegmentPopular",
    "trending": "foretaste.models.baselines.trending:Trending",
    "newest": "foretaste.models.baselines.newest:Newest",
    "random": "foretaste.models.baselines.random:Random",
    "bias": "foretaste.models.baselines.bias:Bias",
    "item_knn": "foretaste.models.neighbours.item_knn:ItemKNN",
    "user_knn": "foretaste.models.neighbours.user_knn:UserKNN",
    "lsh_item_knn": "foretaste.models.neighbours.lsh_knn:LSHItemKNN",
    "lsh_user_knn": "foretaste.models.neighbours.lsh_knn:LSHUserKNN",
    "slope_one": "foretaste.models.neighbours.slope_one:SlopeOne",
    "knn_ratings": "foretaste.models.neighbours.knn_ratings:KNNRatings",
    "ease": "foretaste.models.linear.ease:EASE",
    "sparse_ease": "foretaste.models.linear.sparse_ease:SparseEASE",
    "slim": "foretaste.models.linear.slim:SLIM",
    "rp3beta": "foretaste.models.linear.rp3beta:RP3beta",
    "gfcf": "foretaste.models.graph.gfcf:GFCF",
    "chebycf": "foretaste.models.graph.chebycf:ChebyCF",
    "bspm": "foretaste.models.graph.bspm:BSPM",
    "butterworth": "foretaste.models.graph.butterworth:Butterworth",
    "ials": "foretaste.models.factorization.ials:ImplicitALS",
    "pure_svd": "foretaste.models.factorization.pure_svd:PureSVD",
    "bpr": "foretaste.models.factorization.bpr:BPR",
    "warp": "foretaste.models.factorization.warp:WARP",
    "logistic_mf": "foretaste.models.factorization.logistic_mf:LogisticMF",
    "nmf": "foretaste.models.factorization.nmf:NMF",
    "bpmf": "foretaste.models.factorization.bpmf:BPMF",
    "svd": "foretaste.models.factorization.svd:SVD",
    "svdpp": "foretaste.models.factorization.svdpp:SVDPP",
    "content": "foretaste.models.content.content:Content",
    "content_ridge": "foretaste.models.content.ridge:ContentRidge",
    "tfidf": "foretaste.models.content.tfidf:TfidfContent",
    "fm": "foretaste.models.fm.machine:FactorizationMachine",
    "weighted": "foretaste.models.hybrid.weighted:WeightedHybrid",
    "switching": "foretaste.models.hybrid.switching:SwitchingHybrid",
    "cascade": "foretaste.models.hybrid.cascade:CascadeHybrid",
    "rank_fusion": "foretaste.models.hybrid.rank_fusion:RankFusion",
    "stacked": "foretaste.models.hybrid.stacked:StackedHybrid",
    "feature_combination": "foretaste.models.hybrid.feature_combination:FeatureCombination",
    "auto": "foretaste.models.hybrid.auto:Auto",
    "rating_blend": "foretaste.models.hybrid.rating_blend:RatingBlend",
}
"""Name → module:class of the models that come with Foretaste."""

GROUP = "foretaste.models"


@cache
def _third_party() -> dict[str, str]:
    return {entry.name: entry.value for entry in entry_points(group=GROUP)}


def model_names() -> list[str]:
    """All names that can be given to :func:`create_model`, sorted."""
    return sorted(BUILT_IN | _third_party())


@cache
def model_class(name: str) -> type[Recommender]:
    """The class registered under ``name``; our own names cannot be taken over.

    Raises:
        UnknownNameError: no such name.
        ConfigurationError: what is registered cannot be imported, is no :class:`Recommender` or has another name.
    """
    target = (_third_party() | BUILT_IN).get(name)
    if target is None:
        near = get_close_matches(str(name), model_names(), n=1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        raise UnknownNameError(f"there is no model {name!r}", hint=f"{guess}valid ones: {', '.join(model_names())}")
    module, _, attribute = target.partition(":")
    try:
        found = getattr(import_module(module), attribute, None)
    except ImportError as exc:
        raise ConfigurationError(
            f"model {name!r} cannot be imported from {target!r}: {exc}", hint="install what it needs"
        ) from exc
    if not (isinstance(found, type) and issubclass(found, Recommender)):
        raise ConfigurationError(f"{target!r}, registered as model {name!r}, is not a Recommender class")
    if found.name != name:
        raise ConfigurationError(
            f"{target!r} is registered as {name!r} but calls itself {found.name!r}", hint="make the names equal"
        )
    return found


def create_model(name: str, **parameters: Any) -> Recommender:
    """An unfitted model by its name.

    >>> create_model("popular")
    Popular()

    Raises:
        UnknownNameError, UnknownParameterError, ConfigurationError.
    """
    return model_class(name)(**parameters)
