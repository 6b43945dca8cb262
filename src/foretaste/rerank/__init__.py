"""Change the order of lists: for diversity, calibration, freshness and fairness."""

from foretaste.rerank.base import Candidates, RerankConfig, Reranker, RerankStep, parse_rerank
from foretaste.rerank.registry import create_reranker, reranker_class, reranker_names
from foretaste.rerank.slate import ItemView, Labels, Slate

__all__ = [
    "Candidates",
    "ItemView",
    "Labels",
    "RerankConfig",
    "RerankStep",
    "Reranker",
    "Slate",
    "create_reranker",
    "parse_rerank",
    "reranker_class",
    "reranker_names",
]
