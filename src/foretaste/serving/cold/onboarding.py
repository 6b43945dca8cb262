"""The questionnaire for newcomers: what to ask next, and what becomes of the answers."""

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foretaste.data import Population, Query
from foretaste.data.weights import NOT_KNOWN, RATING, normal_action
from foretaste.errors import InvalidRecordError, UnknownItemError
from foretaste.events import Event, check_id, check_user_id
from foretaste.monitoring import Metrics
from foretaste.serving.cold.interests import declared_interests
from foretaste.serving.cold.tastes import OnboardingConfig, Opinion, TasteGroups
from foretaste.serving.collect import record_events, upsert_records
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.models import Live, LiveModels
from foretaste.serving.live.users import EventWeights
from foretaste.storage.records import Records, UserState

INTERESTS = "interests"
"""The user's attribute that holds declared interests."""
MAX_INTERESTS = 100
"""Interests that are kept of one user."""
ANSWER = "onboarding"
"""In the context of an event: the answer that it stands for."""
_SUGGESTED = 20
_NO_SIGN = frozenset({"impression"})
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Question:
    """An item to ask about."""

    item_id: str
    title: str | None = None
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Questionnaire:
    """Where somebody stands in it, and what to ask next."""

    user_id: str
    questions: tuple[Question, ...]
    """Most telling first; none when it is done or no item is left to ask about."""
    done: bool
    """Enough is known: further questions would tell little."""
    opinions: int
    """Items of which the person's opinion is known, from answers or from what they did."""
    likes: int
    """How many of them they like."""
    certainty: float
    """How well their taste is known: 0 nothing, 1 fully."""
    interests: tuple[str, ...]
    """Declared so far."""
    suggested_interests: tuple[str, ...]
    """Categories to choose from, those with most items first."""
    model_version: str | None


class Onboarding:
    """Asks newcomers about items, and stores what they answer as events and attributes like any others.

    Questions follow from everything known of the person, not from answers alone: who bought something is not asked
    about it. Groups of taste are made of the users of the live models when they are first needed, and kept until other
    models serve.
    """

    def __init__(self, records: Records, live: LiveModels, metrics: Metrics) -> None:
        self._records, self._live, self._metrics = records, live, metrics
        self._making, self._adding = asyncio.Lock(), asyncio.Lock()
        self._made: tuple[Population, OnboardingConfig, TasteGroups] | None = None

    async def questionnaire(self, user_id: str, n: int) -> Questionnaire:
        """The ``n`` items to ask about next.

        Raises:
            InvalidRecordError: the id is no id.
            StorageUnavailableError: the store cannot be read.
        """
        user_id = check_user_id(user_id)
        state = await self._records.user_state(user_id)
        await self._live.steer(state.stamp.shared)
        live = self._live.arm(user_id).live
        groups = await self._groups(live)
        return await asyncio.to_thread(_questionnaire, live, groups, user_id, state, n)

    async def answer(self, user_id: str, answers: Mapping[str, Opinion], interests: Sequence[str] = ()) -> int:
        """Store answers and declared interests durably; returns how many answers were new.

        A like is an event ``like`` and a dislike ``dislike``; where the models learnt from ratings alone, they are the
        best and the lowest rating. «Not known» is an event that no model learns from. Interests are added to the user's
        attribute ``interests``. Doing it again changes nothing.

        Raises:
            InvalidRecordError: an id or an interest is wrong; nothing is stored.
            UnknownItemError: names the first item that does not exist; nothing is stored.
            StorageUnavailableError, StorageFullError: send it again.
        """
        user_id = check_user_id(user_id)
        wanted = [_checked_interest(interest) for interest in interests]
        answers = {check_id(item_id, "item_id"): opinion for item_id, opinion in answers.items()}
        await self._check_items(answers)
        state = await self._records.user_state(user_id)
        bundle = self._live.arm(user_id).live.bundle
        raw = [_event(user_id, item_id, answers[item_id], state, bundle) for item_id in answers]
        fresh = [fields for fields in raw if fields is not None]
        results = await record_events(self._records, fresh, self._metrics) if fresh else []
        if wanted:
            await self._add_interests(user_id, wanted)
        return sum(result.status == "stored" for result in results)

    async def _check_items(self, item_ids: Mapping[str, Opinion]) -> None:
        if any(item_id not in self._live.current.catalogue for item_id in item_ids):
            await self._live.refresh_items()
        catalogue = self._live.current.catalogue
        unknown = [item_id for item_id in item_ids if item_id not in catalogue]
        if unknown:
            raise UnknownItemError(
                f"item {unknown[0]!r} is unknown; no answer was stored",
                hint="answer about items that GET /api/v1/onboarding gave, or others of the catalogue",
                details={"unknown": unknown[:20]},
            )

    async def _add_interests(self, user_id: str, wanted: Sequence[str]) -> None:
        async with self._adding:  # two answers of one person in one process do not lose each other's interests
            record = await self._records.get("user", user_id)
            attributes = dict(record.attributes) if record is not None else {}
            declared = declared_interests(attributes)
            joined = tuple(dict.fromkeys([*declared, *wanted]))
            if joined == declared:
                return
            if len(joined) > MAX_INTERESTS:
                raise InvalidRecordError(
                    f"user {user_id!r} would have {len(joined)} interests, at most {MAX_INTERESTS} are kept",
                    hint="replace them with PUT /api/v1/users/{user_id}",
                )
            fields: dict[str, Any] = {"user_id": user_id, "attributes": {**attributes, INTERESTS: list(joined)}}
            if record is not None:
                fields["is_available"] = record.is_available
            (result,) = await upsert_records(self._records, "user", [fields], self._metrics)
            if result.status == "rejected":
                raise InvalidRecordError(result.message, hint=result.hint)

    async def _groups(self, live: Live) -> TasteGroups:
        population, config = live.bundle.population, live.pipeline.config.onboarding
        async with self._making:
            made = self._made
            if made is None or made[0] is not population or made[1] != config:
                groups = await asyncio.to_thread(TasteGroups.of, population, config)
                made = self._made = (population, config, groups)
            return made[2]


def opinions_of(events: Sequence[Event], weights: EventWeights, level: float) -> dict[str, Opinion]:
    """What somebody thinks of the items they met (oldest event first); the newest word counts.

    A weight above 0 that reaches ``level`` is a like, any other sign of the item a dislike; that it was merely shown
    says nothing.
    """
    found: dict[str, Opinion] = {}
    for event in events:
        action = normal_action(event.type)
        if action == NOT_KNOWN:
            found[event.item_id] = "not_known"
        elif action not in _NO_SIGN:
            weight = weights.weight(event)
            found[event.item_id] = "like" if weight > 0 and weight >= level else "dislike"
    return found


def _questionnaire(live: Live, groups: TasteGroups, user_id: str, state: UserState, n: int) -> Questionnaire:
    config, catalogue = live.pipeline.config.onboarding, live.catalogue
    decision = live.pipeline.decide([Query(user_id=user_id)], catalogue, users=[state], now=time.time())
    allowed = decision.allowed(0)
    opinions = opinions_of(state.events, live.bundle.weights, groups.level)
    certainty = max(0.0, groups.certainty(groups.posterior(opinions, config))) if len(groups.rows) else 0.0
    likes = sum(opinion == "like" for opinion in opinions.values())
    done = len(opinions) >= config.most_questions or (certainty >= config.enough and likes >= config.least_likes)
    asked: list[str] = []
    if not done and len(groups.rows):
        asked = groups.next_questions(opinions, config, n=n, allowed=allowed)
    elif not done:
        asked = _one_of_each_category(catalogue, allowed, opinions, n)
    interests = declared_interests(state.attributes)
    return Questionnaire(
        user_id,
        tuple(_question(catalogue, item_id) for item_id in asked),
        done,
        len(opinions),
        likes,
        certainty,
        interests,
        tuple(name for name in _categories(catalogue, allowed) if name not in interests)[:_SUGGESTED],
        live.bundle.version,
    )


def _question(catalogue: Catalogue, item_id: str) -> Question:
    facts = catalogue.facts.get(item_id)
    return Question(item_id) if facts is None else Question(item_id, facts.title, facts.categories)


def _one_of_each_category(catalogue: Catalogue, allowed: Mask, known: Mapping[str, Opinion], n: int) -> list[str]:
    """Where nobody did anything yet: the newest item of each category, then the other newest."""
    newest = catalogue.items.ids_of(catalogue.newest[allowed[catalogue.newest]])
    first: dict[str, str] = {}
    for item_id in newest:
        facts = catalogue.facts.get(item_id)
        if item_id not in known:
            first.setdefault(facts.categories[0] if facts is not None and facts.categories else "", item_id)
    return list(dict.fromkeys([*first.values(), *(i for i in newest if i not in known)]))[:n]


def _categories(catalogue: Catalogue, allowed: Mask) -> list[str]:
    """Categories of what may be shown, those with most items first."""
    column = catalogue.columns.get("categories")
    face = column.lists if column is not None else None
    if face is None:
        return []
    used = face.owners >= 0
    codes = face.codes[used][allowed[face.owners[used]]]
    counts = np.bincount(codes, minlength=len(face.words))
    order = np.argsort(-counts, kind="stable")
    return [str(face.words.words[code]) for code in order[: 4 * _SUGGESTED].tolist() if counts[code] > 0]


def _event(user_id: str, item_id: str, opinion: Opinion, state: UserState, bundle: Bundle) -> dict[str, Any] | None:
    """The event that an answer is stored as; None when it is the last one that was given for the item."""
    given = [e.context[ANSWER] for e in state.events if e.item_id == item_id and ANSWER in e.context]
    if given and given[-1] == opinion:
        return None
    # sent twice at once, it is the same event
    name = hashlib.blake2b("\x1f".join([user_id, item_id, opinion, str(len(given))]).encode(), digest_size=16)
    kind, value = _action(opinion, bundle)
    fields = {"event_id": f"onboarding-{name.hexdigest()}", "user_id": user_id, "item_id": item_id, "type": kind}
    return {**fields, "value": value, "context": {ANSWER: opinion}}


def _action(opinion: Opinion, bundle: Bundle) -> tuple[str, float | None]:
    """The type and value of an answer's event."""
    if opinion == "not_known":
        return NOT_KNOWN, None
    if not bundle.weights.is_explicit:
        return opinion, None
    ratings = bundle.population.histories.weights
    ratings = ratings[ratings > 0]
    if not len(ratings):
        return opinion, None
    return RATING, float(ratings.max() if opinion == "like" else ratings.min())


def _checked_interest(interest: object) -> str:
    text = " ".join(check_id(interest, "interest").split())
    if "|" in text:
        raise InvalidRecordError(f"interest {text!r} has a '|', which stands between interests")
    return text
