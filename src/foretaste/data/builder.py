"""Builds a data set out of tables, records and events."""

import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from foretaste.data.dataset import Dataset
from foretaste.data.intake import assemble
from foretaste.data.intake.attributes import Attributes, link_rows
from foretaste.data.intake.columns import ColumnMap, TableKind, resolve
from foretaste.data.intake.config import BuildConfig
from foretaste.data.intake.frames import as_frame, is_sparse_matrix
from foretaste.data.intake.ids import PROBLEMS, IdTable, encode
from foretaste.data.intake.interactions import Intake
from foretaste.data.report import MAX_EXAMPLES, BuildReport
from foretaste.data.vocabulary import Vocabulary
from foretaste.errors import ConfigurationError, DataFormatError, DataInsufficientError
from foretaste.events.event import Event

_EVENT_BATCH = 100_000
_EVENT_ROLES = {
    "user": "user_id",
    "item": "item_id",
    "value": "value",
    "timestamp": "timestamp",
    "type": "type",
    "event_id": "event_id",
}
_EVENT_SCHEMA = pl.Schema(
    {
        "user_id": pl.String(),
        "item_id": pl.String(),
        "value": pl.Float64(),
        "timestamp": pl.Float64(),
        "type": pl.String(),
        "event_id": pl.String(),
    }
)


class DatasetBuilder:
    """Takes tables in any number and order, then builds one :class:`Dataset`; ``report`` says what became of each row.

    Ids get their rows in order of first appearance over all calls, so tables of users and items that are added first
    give the order. ``users`` and ``items`` are vocabularies to extend: their ids keep their rows and all stay (for
    models that are updated, and for the two parts of a split).

    A table is anything with the Arrow C stream (polars, pyarrow, DuckDB), a pandas frame, a dict of columns, a list of
    dicts; interactions may also be a SciPy sparse matrix (users × items). Columns are found by well-known names or
    named with a :class:`ColumnMap`.

    >>> builder = DatasetBuilder()
    >>> table = {"user_id": ["ann", "bob"], "item_id": ["tea", "tea"], "rating": [5, 3]}
    >>> data = builder.add_interactions(table).build()
    >>> data.n_users, data.n_items, data.is_explicit
    (2, 1, True)
    """

    def __init__(
        self,
        config: BuildConfig | None = None,
        *,
        name: str = "dataset",
        users: Vocabulary | None = None,
        items: Vocabulary | None = None,
        report: BuildReport | None = None,
        now: float | None = None,
    ) -> None:
        self.config = config or BuildConfig()
        self.report = report if report is not None else BuildReport(name=name)
        self._users = IdTable(None if users is None else users.ids)
        self._items = IdTable(None if items is None else items.ids)
        self._known = (users, items)
        self._started = time.perf_counter()
        self._intake = Intake(
            self.config, self.report, self._users, self._items, now=time.time() if now is None else now
        )
        self._user_tables = Attributes("user_id", self._users, self.report.users, self.report)
        self._item_tables = Attributes("item_id", self._items, self.report.items, self.report)
        self._links: list[pl.DataFrame] = []
        self._calls = 0

    # --- taking in -----------------------------------------------------------------------------------------------

    def add_interactions(
        self,
        table: Any,
        *,
        columns: ColumnMap | None = None,
        user_ids: Sequence[str | int] | None = None,
        item_ids: Sequence[str | int] | None = None,
    ) -> Self:
        """Take interactions: a table, or a users × items SciPy matrix with the ids of its rows and columns (by default
        their numbers).

        Raises:
            DataFormatError: no user or item column, or columns of the wrong type.
        """
        if is_sparse_matrix(table):
            return self._add_matrix(table, user_ids, item_ids)
        if user_ids is not None or item_ids is not None:
            raise ConfigurationError("user_ids and item_ids go with a sparse matrix only", hint="put ids in columns")
        return self.add_interaction_batches([as_frame(table, what="interactions")], columns=columns)

    def add_interaction_batches(self, frames: Iterable[pl.DataFrame], *, columns: ColumnMap | None = None) -> Self:
        """Take one table of interactions that comes in parts, so that it never is in memory whole."""
        self._calls += 1
        roles: dict[str, str] | None = None
        for frame in frames:
            if roles is None:
                roles = resolve(frame.columns, columns, "interactions")
                self.report.interactions.use(roles, frame.columns)
            self._intake.take(frame, roles, scope=str(self._calls))
        return self

    def add_users(self, table: Any, *, columns: ColumnMap | None = None) -> Self:
        """Take users with attributes. They stay even without interactions (``keep_cold``)."""
        return self._add_attributes(table, columns, "users")

    def add_items(self, table: Any, *, columns: ColumnMap | None = None) -> Self:
        """Take items with attributes. They stay even without interactions (``keep_cold``)."""
        return self._add_attributes(table, columns, "items")

    def add_links(self, table: Any, *, columns: ColumnMap | None = None) -> Self:
        """Take directed links between users (follows, trust, friends). Their users stay like those of a user table."""
        frame = as_frame(table, what="links")
        roles = resolve(frame.columns, columns, "links")
        report = self.report.links
        report.read += len(frame)
        report.use(roles, frame.columns)
        ends = {}
        keep = np.ones(len(frame), dtype=bool)
        for role in ("user", "friend"):
            encoded = encode(frame[roles[role]])
            problems = encoded.problems[encoded.codes]
            for number, problem in enumerate(PROBLEMS, start=1):
                wrong = keep & (problems == number)
                report.drop(
                    f"{role}_id_{problem}",
                    int(wrong.sum()),
                    encoded.distinct.gather(encoded.codes[wrong][:MAX_EXAMPLES]).to_list(),
                )
                keep &= ~wrong
            self._users.declare(self._users.add(encoded))
            ends[role] = encoded.distinct.gather(encoded.codes)
        self._links.append(pl.DataFrame(ends).filter(pl.Series(keep)))
        return self

    def add_events(self, events: Iterable[Event]) -> Self:
        """Take events; one whose id came before counts once."""
        rest = iter(events)
        self._calls += 1
        self.report.interactions.use(_EVENT_ROLES, list(_EVENT_ROLES.values()))
        while batch := list(islice(rest, _EVENT_BATCH)):
            rows = {name: [getattr(event, name) for event in batch] for name in _EVENT_SCHEMA}
            self._intake.take(pl.DataFrame(rows, schema=_EVENT_SCHEMA), _EVENT_ROLES)
        return self

    def _add_attributes(self, table: Any, columns: ColumnMap | None, kind: TableKind) -> Self:
        frame = as_frame(table, what=kind)
        roles = resolve(frame.columns, columns, kind)
        if kind == "users":
            self._user_tables.take(frame, roles["user"])
        else:
            self._item_tables.take(frame, roles["item"])
        return self

    def _add_matrix(
        self, matrix: Any, user_ids: Sequence[str | int] | None, item_ids: Sequence[str | int] | None
    ) -> Self:
        entries = sparse.coo_array(matrix)
        codes = []
        for axis, (given, table, positions) in enumerate(
            ((user_ids, self._users, entries.row), (item_ids, self._items, entries.col))
        ):
            what = ("user", "item")[axis]
            ids = pl.Series(list(given) if given is not None else range(entries.shape[axis]), strict=False)
            if len(ids) != entries.shape[axis]:
                raise DataFormatError(f"{len(ids)} {what}_ids for a matrix with {entries.shape[axis]} {what}s")
            if ids.n_unique() != len(ids):
                raise DataFormatError(f"{what}_ids holds an id more than once", hint="give each row and column its own")
            table.declare(table.add(encode(ids)))
            codes.append(ids.gather(positions))
        frame = pl.DataFrame({"user_id": codes[0], "item_id": codes[1], "value": entries.data})
        return self.add_interaction_batches([frame], columns=ColumnMap(user="user_id", item="item_id", value="value"))

    # --- building ------------------------------------------------------------------------------------------------

    def build(self) -> Dataset:
        """The data set of all that was taken in.

        Raises:
            DataInsufficientError: no interaction is left; the message says why rows were dropped.
            DataFormatError: an action without a weight (``unknown_actions="error"``), a wrongly declared feature.
        """
        config, report = self.config, self.report
        chunks = [chunk for chunk in self._intake.chunks if len(chunk)]
        if not chunks:
            raise self._insufficient()
        rows, actions = assemble.joined(chunks), self._intake.actions.names
        self._intake.chunks = [rows]
        policy = assemble.policy_of(rows, actions, config)
        keep = assemble.kept_rows(
            rows, policy, config, report, (self._allowed(self._users), self._allowed(self._items))
        )
        if not keep.any():
            raise self._insufficient()
        weights = assemble.weights_of(rows, actions, policy, config, report)
        kept = rows if keep.all() else assemble.taken(rows, keep)
        report.interactions.kept = len(kept)
        users, user_rows = self._vocabulary(self._users, kept.users)
        items, item_rows = self._vocabulary(self._items, kept.items)
        interactions = assemble.ordered(kept, weights[keep], user_rows, item_rows, actions)
        user_frame, user_features = self._user_tables.frame(users, dict(config.user_features))
        item_frame, item_features = self._item_tables.frame(items, dict(config.item_features))
        links = link_rows(self._links, users, report)
        report.seconds = time.perf_counter() - self._started
        return Dataset(
            users=users,
            items=items,
            interactions=interactions,
            name=report.name,
            is_explicit=policy.is_explicit,
            duplicates=policy.duplicates,
            user_frame=user_frame,
            item_frame=item_frame,
            user_features=user_features,
            item_features=item_features,
            links=None if links is None else (links[0].to_numpy(), links[1].to_numpy()),
        )

    def _allowed(self, ids: IdTable) -> npt.NDArray[np.bool_] | None:
        """Which ids interactions may have; None when any."""
        if self.config.unknown_ids == "keep" or not (ids.has_declared or ids.n_known):
            return None
        mask = ids.declared()
        mask[: ids.n_known] = True
        return mask

    def _vocabulary(self, ids: IdTable, codes: npt.NDArray[np.int32]) -> tuple[Vocabulary, npt.NDArray[np.int32]]:
        """The ids that stay, in order of first appearance, and the rows of ``codes`` among them."""
        stays = ids.declared() if self.config.keep_cold else np.zeros(len(ids), dtype=bool)
        stays[: ids.n_known] = True
        stays[codes] = True
        known = self._known[0 if ids is self._users else 1]
        if known is not None and int(stays.sum()) == ids.n_known:
            return known, codes
        new_rows = (np.cumsum(stays) - 1).astype(np.int32)
        return Vocabulary(ids.ids.filter(pl.Series(stays))), new_rows[codes]

    def _insufficient(self) -> DataInsufficientError:
        read, why = self.report.interactions.read, self.report.summary()
        if read == 0:
            return DataInsufficientError(
                f"data set {self.report.name!r} has no interactions: no row was given",
                hint="give at least one row with a user and an item",
                details={"report": self.report.to_dict()},
            )
        return DataInsufficientError(
            f"no interaction is left of the {read:,} rows read of {self.report.name!r}: {why}",
            hint="correct the data, the column map or the rules that dropped them",
            details={"report": self.report.to_dict()},
        )


def build_dataset(
    interactions: Any,
    *,
    users: Any = None,
    items: Any = None,
    links: Any = None,
    columns: ColumnMap | None = None,
    config: BuildConfig | Mapping[str, Any] | None = None,
    name: str = "dataset",
) -> Dataset:
    """A data set from tables at hand, in one call; see :class:`DatasetBuilder` for what a table may be.

    Raises:
        ConfigurationError, DataFormatError, DataInsufficientError.
    """
    settings = BuildConfig.of(config) if isinstance(config, Mapping) else config
    builder = DatasetBuilder(settings, name=name)
    if users is not None:
        builder.add_users(users)
    if items is not None:
        builder.add_items(items)
    builder.add_interactions(interactions, columns=columns)
    if links is not None:
        builder.add_links(links)
    return builder.build()
