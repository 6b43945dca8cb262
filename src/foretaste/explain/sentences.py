"""From a reason to one sentence that a person can read."""

from collections.abc import Callable, Mapping, Sequence

from foretaste.data import Reason
from foretaste.explain.english import ENGLISH
from foretaste.explain.language import Language

LONGEST_TITLE = 60
"""Characters of a title that a sentence shows."""
PERIOD = "period"
"""A feature of this name holds the days that popularity was counted over."""


def sentence(
    reason: Reason,
    titles: Callable[[str], str],
    *,
    actions: Mapping[str, str] | None = None,
    language: Language = ENGLISH,
) -> str:
    """One sentence, without a full stop, that says why an item is in a list.

    Args:
        reason: what the model gave.
        titles: the name to show for an item id (give the id itself where there is no better one); an item whose name
            is empty is not mentioned.
        actions: what the person did with the items of the history, item id → action (``purchase``, ``view``, …).
        language: the phrases to use.

    >>> reason = Reason("because_items", ("b-17", "b-4"), (0.7, 0.2))
    >>> sentence(reason, {"b-17": "Dune", "b-4": "Emma"}.get, actions={"b-17": "purchase", "b-4": "view"})
    'Because you bought “Dune” and viewed “Emma”'
    >>> sentence(Reason("content", features=("wool", "navy")), str)
    'Shares tags: wool, navy'
    """
    named = [(item_id, title) for item_id in reason.item_ids if (title := _shown(titles(item_id), language))]
    if reason.kind == "content" and reason.features:
        features = _features(reason.features, language)
        if not named:
            return language.shares.format(features=features)
        return language.like_items.format(items=_listed([t for _, t in named], language.last_two), features=features)
    if named and reason.kind in {"because_items", "content"}:
        return _because(named, actions or {}, language)
    if reason.kind == "interests" and reason.features:
        return language.interested.format(features=_listed(reason.features, language.last_two))
    if reason.kind == "popular" and reason.features:
        return _popular(reason.features, language)
    return language.kinds.get(reason.kind, language.fallback)


def _because(named: Sequence[tuple[str, str]], actions: Mapping[str, str], language: Language) -> str:
    if not any(item_id in actions for item_id, _ in named):
        return language.because_items.format(items=_listed([title for _, title in named], language.last_two))
    by_action: dict[str, list[str]] = {}
    for item_id, title in named:
        phrase = language.verbs.get(actions.get(item_id, ""), language.other_verb)
        by_action.setdefault(phrase, []).append(title)
    phrases = [phrase.format(items=_listed(shown, language.last_two)) for phrase, shown in by_action.items()]
    simple = len(phrases) == len(named) == 2
    return language.because.format(actions=_listed(phrases, language.last_two if simple else language.last_phrases))


def _popular(features: Sequence[str], language: Language) -> str:
    values = {name: value for name, value in map(_split, features) if name == PERIOD}
    groups = [value for name, value in map(_split, features) if name != PERIOD]
    if groups:
        return language.popular_in.format(groups=_listed(groups, language.last_two))
    days = float(values[PERIOD])
    fitting = [(float(most), name) for most, name in language.periods.items() if days <= float(most)]
    return language.popular_period.format(period=min(fitting)[1]) if fitting else language.kinds["popular"]


def _features(features: Sequence[str], language: Language) -> str:
    """«category: shoes; tags: wool, navy»: values by the name of their column."""
    by_name: dict[str, list[str]] = {}
    for name, value in map(_split, features):
        by_name.setdefault(name or language.tags, []).append(value)
    return "; ".join(f"{name}: {', '.join(values)}" for name, values in by_name.items())


def _split(feature: str) -> tuple[str, str]:
    """(column, value) of «column: value», else ("", the text)."""
    name, sign, value = feature.partition(": ")
    return (name, value) if sign else ("", feature)


def _listed(parts: Sequence[str], last: str) -> str:
    return last.join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def _shown(title: str, language: Language) -> str:
    plain = " ".join(title.split()) if title else ""
    if len(plain) > LONGEST_TITLE:
        plain = plain[: LONGEST_TITLE - 1].rstrip() + "…"
    return language.quoted.format(title=plain) if plain else ""
