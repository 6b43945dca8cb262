"""The text of an expression before it is parsed: its length, its quotes, its lines."""

from foretaste.errors import RuleError
from foretaste.serving.rules.nodes import Place

MAX_LENGTH = 4_000
"""Characters of one expression."""
_BLANKS = " \t\n\r\f"


def on_one_line(text: str) -> str:
    """The expression with line ends and comments as spaces, each character at its old place.

    Raises:
        RuleError: it is empty, too long, or holds a text that does not end, a backslash, or a control character.
    """
    if len(text) > MAX_LENGTH:
        raise RuleError(
            f"the expression has {len(text)} characters, at most {MAX_LENGTH} are allowed",
            hint="use several rules, or a hide rule for a long list of items",
        )
    made: list[str] = []
    at, n = 0, len(text)
    while at < n:
        character = text[at]
        if character in "'\"":
            end = _closing(text, at)
            made.append(text[at : end + 1])
            _check_comma(text, at, end)
            at = end + 1
        elif character == "#":
            end = text.find("\n", at)
            end = n if end < 0 else end
            made.append(" " * (end - at))
            at = end
        elif character in _BLANKS:
            made.append(" ")
            at += 1
        elif character == "\\" or not character.isprintable():
            raise Place(text, at, at + 1).error("this character is not allowed", "remove it")
        else:
            made.append(character)
            at += 1
    flat = "".join(made)
    if not flat.strip():
        raise RuleError("the expression is empty", hint='write a condition, e.g. item.category == "shoes"')
    return flat


def _closing(text: str, start: int) -> int:
    """Place of the quote that ends the text that begins at ``start``."""
    for at in range(start + 1, len(text)):
        character = text[at]
        if character == text[start]:
            return at
        if character == "\\" or not character.isprintable():
            hint = "a text has no backslashes and ends on its line; inside '…' the sign \" may stand, and the reverse"
            raise Place(text, at, at + 1).error("this character is not allowed in a text", hint)
    raise Place(text, start, len(text)).error("this text does not end", f"close it with {text[start]}")


def _check_comma(text: str, start: int, end: int) -> None:
    """Two texts side by side would silently be one."""
    rest = text[end + 1 :].lstrip(_BLANKS)
    if rest[:1] in {"'", '"'}:
        place = Place(text, start, len(text) - len(rest) + 1)
        raise place.error("two texts stand side by side", "put a comma or an operator between them")
