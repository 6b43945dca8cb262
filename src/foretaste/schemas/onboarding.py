"""Bodies of the questionnaire for newcomers."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from foretaste.schemas.common import Body, OutsideId
from foretaste.schemas.recommend import Recommendations

_Interest = Annotated[str, Field(min_length=1, max_length=100, examples=["shoes"])]


class OnboardingQuestion(Body):
    """An item to ask about."""

    item_id: str
    title: str | None
    """Readable name, where the catalogue has one."""
    categories: list[str]


class OnboardingBody(Body):
    """What to ask somebody next."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": "u-42",
                    "questions": [{"item_id": "p-7", "title": "Trail shoe", "categories": ["shoes"]}],
                    "done": False,
                    "opinions": 2,
                    "likes": 1,
                    "certainty": 0.31,
                    "interests": [],
                    "suggested_interests": ["shoes", "books"],
                    "model_version": "20260102T030405-a1b2c3",
                    "request_id": "5f1c7d0e9b3a4d52",
                }
            ]
        },
    )

    user_id: str
    questions: list[OnboardingQuestion]
    """Most telling first; empty when it is done, or no item is left to ask about."""
    done: bool
    """Enough is known: further questions would tell little."""
    opinions: int
    """Items of which the person's opinion is known, from answers or from what they did."""
    likes: int
    """How many of them they like."""
    certainty: float
    """How well their taste is known, from 0 to 1."""
    interests: list[str]
    """Declared so far."""
    suggested_interests: list[str]
    """Categories to choose from, those with most items first."""
    model_version: str | None
    """Null before the first training."""
    request_id: str = ""


class OnboardingStored(OnboardingBody):
    """What became of answers, what to ask next, and the first list."""

    stored: int
    """Answers that were new; the others were there already."""
    recommendations: Recommendations | None
    """The list after these answers; null where none was asked for."""


class OnboardingAnswer(Body):
    """What somebody thinks of one item."""

    model_config = ConfigDict(extra="forbid")

    item_id: OutsideId | int = Field(examples=["p-7"])
    answer: Literal["like", "dislike", "not_known"]
    """``not_known``: they have never met it, so it may still be in their lists."""


class OnboardingAnswers(Body):
    """Answers and declared interests; at least one of them."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "user_id": "u-42",
                    "answers": [{"item_id": "p-7", "answer": "like"}, {"item_id": "p-9", "answer": "not_known"}],
                    "interests": ["shoes"],
                }
            ]
        },
    )

    user_id: OutsideId | int = Field(examples=["u-42"])
    answers: list[OnboardingAnswer] = Field(default=[], max_length=100)
    """At most one an item."""
    interests: list[_Interest] = Field(default=[], max_length=50)
    """Categories, tags or other words that items have; added to those declared before."""
    limit: int = Field(default=5, ge=1, le=50)
    """Questions wanted next."""
    recommendations: int = Field(default=10, ge=0, le=1000)
    """Length of the list wanted in the answer; 0 for none."""
