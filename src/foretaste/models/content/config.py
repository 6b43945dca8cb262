"""Settings of the content models."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from foretaste.features import ColumnOptions
from foretaste.models.config import ModelConfig

Vectorization = Literal["tfidf", "bm25", "embedding"]


class TfidfConfig(ModelConfig):
    """Settings of :class:`TfidfContent`."""

    columns: tuple[str, ...] | None = None
    """Item columns to use; None for all that have a feature type."""
    column_weights: Mapping[str, NonNegativeFloat] = Field(default_factory=dict)
    """How much a column counts against others; 0 leaves it out."""
    number_weight: NonNegativeFloat = 0.3
    """The weight of numeric and date columns that have none of their own; other columns have 1."""
    ngrams: tuple[PositiveInt, PositiveInt] = (1, 2)
    """Shortest and longest run of words that makes a token."""
    max_features: PositiveInt | None = 20_000
    """Most tokens of one column, the most frequent ones."""
    min_df: PositiveInt = 1
    """Items that must have a token for it to count."""
    max_df: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the items above which a token is too common to count."""
    stop_words: Literal["english"] | tuple[str, ...] | None = "english"
    """Words that do not count."""
    n_bins: Annotated[int, Field(ge=2, le=1000)] = 8
    """Quantiles that a numeric or date column is cut at."""
    values: Literal["binary", "weight"] = "weight"
    """Whether the items of a history count alike in the profile, or by their weights."""
    half_life_days: PositiveFloat | None = None
    """A history entry loses half of its weight for so many days that it is older than the newest one."""
    similarity: Literal["cosine", "dot"] = "cosine"
    """``dot`` leaves item vectors at their own length, so items with much or rare content come first. (The Euclidean
    distance of vectors of length 1 orders items as ``cosine`` does.)
    """
    interests: tuple[str, ...] | None = None
    """User columns with declared interests; None finds them by name (interests, favourite genres, …), () uses none."""
    interest_weight: NonNegativeFloat = 0.0
    """How many mean entries of a history the declared interests count as. At 0 they count only for users without a
    history.
    """

    @model_validator(mode="after")
    def _check_ngrams(self) -> Self:
        if self.ngrams[0] > self.ngrams[1]:
            raise ValueError("the shortest run of words is longer than the longest")
        return self

    @property
    def method(self) -> Vectorization:
        """How texts become vectors."""
        return "tfidf"

    @property
    def embeddings(self) -> str | None:
        """The folder of the embeddings."""
        return None

    def column_options(self) -> ColumnOptions:
        """The part that says how columns become tokens."""
        if self.method == "embedding":  # every word has its idf: that alone says how much it counts
            return ColumnOptions((1, 1), None, 1, 1.0, None, self.n_bins)
        return ColumnOptions(
            self.ngrams,
            self.max_features,
            self.min_df,
            self.max_df,
            self.stop_words,
            self.n_bins,
            "bm25" if self.method == "bm25" else "tfidf",
        )


class ContentConfig(TfidfConfig):
    """Settings of :class:`Content`."""

    vectorization: Vectorization = "tfidf"
    """What texts become: TF-IDF, BM25 (k₁ = 1.2, b = 0.75), or dense embeddings from ``model_path``."""
    model_path: str | None = None
    """A local folder: ``vectors.npy`` with ``vocab.json``, a text file of word vectors, or a sentence-transformers
    model.
    """

    @model_validator(mode="after")
    def _check_path(self) -> Self:
        if (self.vectorization == "embedding") != (self.model_path is not None):
            raise ValueError("vectorization 'embedding' and model_path belong together")
        return self

    @property
    def method(self) -> Vectorization:
        """How texts become vectors."""
        return self.vectorization

    @property
    def embeddings(self) -> str | None:
        """The folder of the embeddings."""
        return self.model_path
