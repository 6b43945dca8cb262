"""What pydantic found wrong with settings, in the form in which errors say it."""

from typing import Any, NamedTuple

from pydantic import ValidationError


class Fault(NamedTuple):
    """One thing that is wrong."""

    location: tuple[int | str, ...]
    """Names and positions that lead to it."""
    value: Any
    """What was given there."""
    message: str
    """What is wrong, without words of the parser."""

    @property
    def place(self) -> str:
        """The location as text, such as ``sources.0.weight``; empty for the whole."""
        return ".".join(map(str, self.location))


def first_fault(error: ValidationError) -> Fault:
    """The first thing that ``error`` found."""
    first = error.errors(include_url=False)[0]
    return Fault(first["loc"], first["input"], first["msg"].removeprefix("Value error, "))
