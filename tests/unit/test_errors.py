"""The tree of errors: drawn as it is, each with a code, a status and an exit code of its own."""

import inspect
import re

import pytest

from foretaste import errors
from foretaste.errors import ForetasteError, UnknownItemError


def all_errors() -> list[type[ForetasteError]]:
    found = [ForetasteError]
    for one in found:
        found.extend(one.__subclasses__())
    return [one for one in found if one.__module__ == errors.__name__]


def drawn_tree() -> dict[str, str | None]:
    """Name → parent, read off the drawing in the module's docstring."""
    tree: dict[str, str | None] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^([│├└─ ]*)([A-Z]\w+Error)\b", line)
        if match:
            depth = len(match[1]) // 4
            path = [*path[:depth], match[2]]
            tree[match[2]] = path[-2] if depth else None
    return tree


def test_the_drawn_tree_is_the_real_tree() -> None:
    real = {one.__name__: one.__mro__[1].__name__ if one is not ForetasteError else None for one in all_errors()}
    assert drawn_tree() == real


def test_every_public_class_of_the_module_is_in_the_tree() -> None:
    classes = {name for name, one in inspect.getmembers(errors, inspect.isclass) if one.__module__ == errors.__name__}
    assert classes == {one.__name__ for one in all_errors()}


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [vars(one).get("code") for one in all_errors()]
    assert all(codes)
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("one", all_errors())
def test_every_error_has_a_status_an_exit_code_and_a_docstring(one: type[ForetasteError]) -> None:
    assert one.http_status in {404, 409, 422, 500, 501, 503, 507}
    assert 1 <= one.exit_code <= 7
    assert (one.__doc__ or "").strip().endswith((".", "."))


def test_errors_of_one_branch_share_their_exit_code() -> None:
    for one in all_errors():
        if one is not ForetasteError and one.__mro__[1] is not ForetasteError:
            assert one.exit_code == one.__mro__[1].exit_code  # type: ignore[attr-defined]


def test_the_text_of_an_error_is_its_message_and_hint() -> None:
    error = UnknownItemError("item 'b' is not known", hint="ingest it first", details={"item_id": "b"})
    assert str(error) == "item 'b' is not known; ingest it first"
    assert (error.message, error.hint, error.details) == (
        "item 'b' is not known", "ingest it first", {"item_id": "b"},
    )  # fmt: skip
    assert str(UnknownItemError("plain")) == "plain"
    assert error.http_status == 404
