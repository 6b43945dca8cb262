"""What became of the rows on their way into a data set: read, kept, dropped and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MAX_EXAMPLES = 3
_MAX_EXAMPLE_LENGTH = 40


def shown(value: object) -> str:
    """A value as it stands in a report: its text, cut short."""
    text = repr(value)
    return text if len(text) <= _MAX_EXAMPLE_LENGTH else f"{text[:_MAX_EXAMPLE_LENGTH]}… ({len(str(value))} characters)"


@dataclass
class Reasoned:
    """How many rows one reason hit, with up to three of their values."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, count: int, examples: Sequence[object] = ()) -> None:
        """Count more rows."""
        self.count += count
        for example in examples:
            text = shown(example)
            if len(self.examples) < MAX_EXAMPLES and text not in self.examples:
                self.examples.append(text)


@dataclass
class TableReport:
    """Rows of one kind of table (interactions, users, items, links)."""

    read: int = 0
    kept: int = 0
    dropped: dict[str, Reasoned] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    """Role → column it was read from."""
    unused_columns: list[str] = field(default_factory=list)

    @property
    def n_dropped(self) -> int:
        """Rows dropped for any reason."""
        return sum(reason.count for reason in self.dropped.values())

    def drop(self, reason: str, count: int, examples: Sequence[object] = ()) -> None:
        """Count dropped rows; nothing happens for none."""
        if count:
            self.dropped.setdefault(reason, Reasoned()).add(count, examples)

    def use(self, roles: Mapping[str, str], columns: Sequence[str]) -> None:
        """Note which columns are read and which are passed over."""
        self.columns.update(roles)
        used = set(roles.values())
        self.unused_columns += [c for c in columns if c not in used and c not in self.unused_columns]

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "read": self.read,
            "kept": self.kept,
            "dropped": {reason: {"count": r.count, "examples": list(r.examples)} for reason, r in self.dropped.items()},
            "columns": dict(self.columns),
            "unused_columns": list(self.unused_columns),
        }


@dataclass
class BuildReport:
    """What was read, what was kept, and why the rest was not."""

    name: str = "dataset"
    format: str = ""
    files: list[str] = field(default_factory=list)
    interactions: TableReport = field(default_factory=TableReport)
    users: TableReport = field(default_factory=TableReport)
    items: TableReport = field(default_factory=TableReport)
    links: TableReport = field(default_factory=TableReport)
    warnings: dict[str, Reasoned] = field(default_factory=dict)
    """What was kept but looks odd."""
    seconds: float = 0.0

    def warn(self, what: str, count: int = 1, examples: Sequence[object] = ()) -> None:
        """Count something odd; nothing happens for none."""
        if count:
            self.warnings.setdefault(what, Reasoned()).add(count, examples)

    @property
    def tables(self) -> dict[str, TableReport]:
        """The table reports by name."""
        return {name: getattr(self, name) for name in ("interactions", "users", "items", "links")}

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "name": self.name,
            "format": self.format,
            "files": list(self.files),
            **{name: table.to_dict() for name, table in self.tables.items()},
            "warnings": {what: {"count": r.count, "examples": list(r.examples)} for what, r in self.warnings.items()},
            "seconds": round(self.seconds, 3),
        }

    def to_text(self) -> str:
        """As readable lines."""
        lines = [f"{self.name}" + (f" ({self.format})" if self.format else "") + f", read in {self.seconds:.2f} s"]
        for name, table in self.tables.items():
            if table.read == 0 and name != "interactions":
                continue
            lines.append(f"  {name}: {table.read:,} read, {table.kept:,} kept, {table.n_dropped:,} dropped")
            lines += [f"    {_line(reason, r)}" for reason, r in table.dropped.items()]
            if table.columns:
                lines.append(
                    "    columns: " + ", ".join(f"{role} = {column}" for role, column in table.columns.items())
                )
            if table.unused_columns and name in {"interactions", "links"}:
                lines.append("    not used: " + ", ".join(table.unused_columns))
        if self.warnings:
            lines.append("  please note:")
            lines += [f"    {_line(what, r)}" for what, r in self.warnings.items()]
        return "\n".join(lines)

    def summary(self) -> str:
        """The reasons for dropped interactions in one line, for an error."""
        return "; ".join(_line(reason, r) for reason, r in self.interactions.dropped.items())


def _line(what: str, reason: Reasoned) -> str:
    examples = f" (e.g. {', '.join(reason.examples)})" if reason.examples else ""
    return f"{reason.count:,} × {what.replace('_', ' ')}{examples}"
