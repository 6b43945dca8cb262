"""TF-IDF: the content model that needs nothing but the data."""

from foretaste.models.content.config import TfidfConfig
from foretaste.models.content.content import Content


class TfidfContent(Content):
    """:class:`Content` with TF-IDF of texts: no embeddings, no BM25, and the shorter list of settings."""

    name = "tfidf"
    config_class = TfidfConfig
