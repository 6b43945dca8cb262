"""Which column plays which role: named by the caller, or known by its name."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from foretaste.data.intake.config import ValueKind
from foretaste.errors import DataFormatError

TableKind = Literal["interactions", "users", "items", "links"]


class ColumnMap(BaseModel):
    """Names of the columns for each role; those left None are found by well-known names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: str | None = None
    item: str | None = None
    value: str | None = None
    """Rating, weight, count or quantity."""
    timestamp: str | None = None
    """Seconds, milliseconds, microseconds, ISO 8601 text or a date type."""
    type: str | None = None
    """Kind of action."""
    event_id: str | None = None
    session: str | None = None
    """Takes the user's place where the data has no user."""
    liked: str | None = None
    read_time: str | None = None
    """Seconds spent on the item."""
    friend: str | None = None
    """The second user of a link."""

    def only(self, *roles: str) -> Self:
        """The same map without other roles."""
        return type(self)(**{role: getattr(self, role) for role in roles})


RATING_NAMES = ("rating", "ratings", "stars", "score", "overall", "ratingvalue", "bookrating", "reviewrating", "rate")
WEIGHT_NAMES = (
    "weight", "value", "quantity", "qty", "count", "counts", "plays", "playcount", "listencount", "listens",
    "frequency",
)  # fmt: skip

NAMES: Mapping[str, tuple[str, ...]] = {
    "user": (
        "userid", "uid", "user", "customerid", "customer", "visitorid", "visitor", "clientid", "memberid", "reviewerid",
        "accountid", "personid", "profileid", "fullvisitorid",
    ),
    "item": (
        "itemid", "iid", "item", "productid", "product", "movieid", "movie", "artistid", "artist", "trackid", "songid",
        "bookid", "articleid", "newsid", "sku", "parentasin", "asin", "isbn", "businessid", "videoid", "contentid",
        "gameid", "appid", "postid", "recipeid", "animeid", "jokeid", "venueid", "placeid", "locationid", "poiid",
        "courseid", "jobid", "listingid", "hotelid", "restaurantid",
    ),
    "value": RATING_NAMES + WEIGHT_NAMES,
    "timestamp": (
        "timestamp", "ts", "eventtime", "eventtimestamp", "datetime", "time", "date", "createdat", "unixreviewtime",
        "timestampms", "unixtime", "occurredat", "playedat", "ratedat", "purchasedate", "orderdate", "eventdate",
        "reviewtime", "dateadded",
    ),
    "type": (
        "interactiontype", "actiontype", "eventtype", "behaviortype", "action", "type", "event", "behavior",
        "behaviour", "activity", "eventname",
    ),
    "event_id": ("eventid", "interactionid", "recordid", "reviewid", "id"),
    "session": ("sessionid", "session", "usersession", "visitid", "sid"),
    "liked": ("liked", "isliked", "like"),
    "read_time": ("readtime", "dwelltime", "readseconds", "timespent", "watchtime", "readtimeseconds"),
    "friend": (
        "friendid", "friend", "targetid", "target", "followeeid", "followee", "followedid", "trusteeid", "trustee",
        "touser", "touserid", "to", "dst", "userid2", "user2", "useridb", "neighborid",
    ),
}  # fmt: skip
"""Role → names, most telling first, compared without case, spaces and punctuation."""

_LINK_SOURCES = (
    *NAMES["user"], "sourceid", "source", "followerid", "follower", "trustorid", "trustor", "fromuser", "fromuserid",
    "from", "src", "userid1", "user1", "userida",
)  # fmt: skip

_ROLES: Mapping[TableKind, tuple[str, ...]] = {
    "interactions": ("user", "item", "value", "timestamp", "type", "event_id", "session", "liked", "read_time"),
    "users": ("user",),
    "items": ("item",),
    "links": ("user", "friend"),
}


def plain(name: str) -> str:
    """A column name without case, spaces, punctuation and type suffix (``user_id:token``)."""
    return re.sub(r"[^a-z0-9]", "", name.lower().partition(":")[0])


def names_of(role: str, kind: TableKind) -> tuple[str, ...]:
    """Well-known names of a role in a table of this kind."""
    if kind == "links" and role == "user":
        return _LINK_SOURCES
    if kind in {"users", "items"}:  # "id" goes before artist_id and the like, which may be attributes there
        first = ("userid", "uid") if role == "user" else ("itemid", "iid", "productid")
        return (*first, "id", *(name for name in NAMES[role] if name not in first))
    return NAMES[role]


def resolve(columns: Sequence[str], given: ColumnMap | None, kind: TableKind) -> dict[str, str]:
    """Role → column of a table; roles without a column are absent.

    Raises:
        DataFormatError: a named column is not there, or a needed role has none; lists the columns found.
    """
    given = given or ColumnMap()
    by_plain: dict[str, str] = {}
    for column in columns:
        by_plain.setdefault(plain(column), column)
    roles: dict[str, str] = {}
    for role in _ROLES[kind]:
        named = getattr(given, role)
        if named is not None:
            if named not in columns:
                raise _no_such_column(named, role, columns)
            roles[role] = named
    taken = set(roles.values())
    for role in _ROLES[kind]:
        if role in roles:
            continue
        found = next((by_plain[n] for n in names_of(role, kind) if n in by_plain and by_plain[n] not in taken), None)
        if found is not None:
            roles[role] = found
            taken.add(found)
    if kind == "interactions" and "user" not in roles and "session" in roles:
        roles["user"] = roles.pop("session")
    _require(roles, columns, kind)
    return roles


def value_kind(roles: Mapping[str, str], setting: str) -> ValueKind:
    """Whether the values of a table are ratings or weights, by the setting or else the column's name."""
    if setting == "rating":
        return "rating"
    if setting == "weight":
        return "weight"
    return "rating" if plain(roles.get("value", "")) in RATING_NAMES else "weight"


def kind_of(columns: Sequence[str], given: ColumnMap | None = None) -> TableKind | None:
    """What a table holds, judged by its columns; None when it cannot be said."""
    known = {plain(column) for column in columns}
    named = given or ColumnMap()

    def has(role: str) -> bool:
        column = getattr(named, role)
        return column in columns if column is not None else bool(known & set(NAMES[role]))

    if (has("user") or has("session")) and has("item"):
        return "interactions"
    if has("friend") and known & set(_LINK_SOURCES):
        return "links"
    if has("item"):
        return "items"
    return "users" if has("user") else None


def _require(roles: Mapping[str, str], columns: Sequence[str], kind: TableKind) -> None:
    needed = {"interactions": ("user", "item"), "users": ("user",), "items": ("item",), "links": ("user", "friend")}
    missing = [role for role in needed[kind] if role not in roles]
    if not missing:
        return
    example = ", ".join(f'{role}="…"' for role in missing)
    raise DataFormatError(
        f"no column of the {kind} is known as the {' or the '.join(missing)}; columns found: {_listed(columns)}",
        hint=f"name it with ColumnMap({example}), or rename it to e.g. {missing[0]}_id",
        details={"columns": list(columns), "missing": missing},
    )


def _no_such_column(named: str, role: str, columns: Sequence[str]) -> DataFormatError:
    near = get_close_matches(named, columns, n=1)
    return DataFormatError(
        f"column {named!r}, given as the {role}, is not there; columns found: {_listed(columns)}",
        hint=f"did you mean {near[0]!r}?" if near else "correct the column map",
        details={"columns": list(columns), "missing": [role]},
    )


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(column[:40] for column in columns[:30])
    return (shown or "none") + (f" … ({len(columns)} in all)" if len(columns) > 30 else "")
