"""What a language must bring to say a reason."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Language:
    """The phrases of one language; ``{…}`` marks what is filled in. Sentences carry no full stop."""

    code: str
    """BCP 47 code, such as ``en``."""
    quoted: str
    """A title in quotation marks: ``{title}``."""
    last_two: str
    """Between the last two of several words or titles."""
    last_phrases: str
    """Between the last two of several phrases that hold such lists themselves."""
    verbs: Mapping[str, str]
    """What the person did, by the name of the action, with ``{items}``."""
    other_verb: str
    """For an action without a verb of its own, with ``{items}``."""
    because: str
    """History items whose actions are known: ``{actions}``."""
    because_items: str
    """History items, nothing else known: ``{items}``."""
    like_items: str
    """Content shared with history items: ``{items}`` and ``{features}``."""
    shares: str
    """Content shared, no item named: ``{features}``."""
    interested: str
    """Interests that the person has declared: ``{features}``."""
    tags: str
    """Name of features that are plain words."""
    popular_in: str
    """Popular in one category or several: ``{groups}``."""
    popular_period: str
    """Popular of late: ``{period}``."""
    periods: Mapping[str, str]
    """Longest time in days → how it is called; a longer one is no period worth a word."""
    kinds: Mapping[str, str]
    """Whole sentences for the kinds of reason that name nothing."""
    fallback: str
    """When there is nothing to say."""
