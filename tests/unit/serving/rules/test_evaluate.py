import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretaste.data import Vocabulary
from foretaste.serving.live.column_changes import changed_columns
from foretaste.serving.live.columns import ItemColumns, date_seconds, plain_value
from foretaste.serving.rules import Evaluator, Situation, check, nodes, parse

NOW = 1_767_225_600.0
ITEMS = [
    {"price": 10.0, "brand": "Acme", "tags": ["red", "new"], "sale": True, "stock": 3, "at": "2025-12-30"},
    {"price": 0.0, "brand": "acme", "tags": ["blue"], "sale": False, "stock": 0, "rate": 4},
    {"price": -2.5, "tags": ["red", 4.0], "stock": "many", "rate": 5, "at": NOW - 90_000},
    {"brand": "Bolt", "sale": True, "extra": {"a": 1}, "rate": "four", "tags": []},
    {},
]


def columns_of(items):
    return changed_columns(ItemColumns(0), range(len(items)), items, n_rows=len(items))


def evaluator_of(items=ITEMS):
    return Evaluator(columns_of(items), Vocabulary([f"i{n}" for n in range(len(items))]))


def holds(text, *, user=None, context=None, items=ITEMS):
    truth = evaluator_of(items).truth(parse(text), Situation(user or {}, context or {}, NOW))
    return np.broadcast_to(truth, len(items)).tolist()


def test_numbers_are_compared_and_missing_ones_never_match():
    assert holds("item.price > 0") == [True, False, False, False, False]
    assert holds("item.price <= 0") == [False, True, True, False, False]
    assert holds("item.price != 10") == [False, True, True, False, False]
    assert holds("not (item.price > 0)") == [False, True, True, True, True]
    assert holds("-3 < item.price < 5") == [False, True, True, False, False]


def test_texts_lists_and_flags_are_compared():
    assert holds('item.brand == "Acme"') == [True, False, False, False, False]
    assert holds('lower(item.brand) == "acme"') == [True, True, False, False, False]
    assert holds('item.brand not in ["Acme"]') == [False, True, False, True, False]
    assert holds('"red" in item.tags') == [True, False, True, False, False]
    assert holds('overlaps(item.tags, ["blue", "new"])') == [True, True, False, False, False]
    assert holds("contains(item.tags, 4)") == [False, False, True, False, False]
    assert holds('startswith(item.brand, "A")') == [True, False, False, False, False]
    assert holds("item.sale") == [True, False, False, True, False]
    assert holds("item.sale == false") == [False, True, False, False, False]


def test_presence_tells_missing_from_anything_else():
    assert holds("has(item.extra)") == [False, False, False, True, False]
    assert holds("has(item.tags)") == [True, True, True, False, False]
    assert holds("has(user.age)", user={"age": 3}) == [True] * 5


def test_dates_are_seconds_and_ages_are_days():
    assert holds("age_days(item.at) < 1.5") == [False, False, True, False, False]
    assert holds('item.at >= date("2025-12-30") and item.at < now - days(1)') == [True, False, True, False, False]


def test_users_and_context_take_part():
    assert holds("item.price < user.budget", user={"budget": 5}) == [False, True, True, False, False]
    assert holds("item.brand in user.likes", user={"likes": ["Bolt"]}) == [False, False, False, True, False]
    assert holds("context.device in item.tags", context={"device": "red"}) == [True, False, True, False, False]
    assert holds('user.age > 3 and context.device == "tv"', user={"age": "old"}) == [False] * 5


def test_values_of_another_kind_do_not_match_and_are_counted():
    evaluator = evaluator_of()
    node = parse("item.stock > 0")
    assert evaluator.truth(node, Situation(now=NOW)).tolist() == [True, False, False, False, False]
    assert evaluator.mismatches == {node.key: 1}


def test_arithmetic_never_raises_and_gives_missing_values_instead():
    evaluator = evaluator_of()
    found = evaluator.number(parse("1 / item.price"), Situation(now=NOW))
    assert found.tolist()[:1] == [0.1]
    assert np.isnan(found[[1, 3, 4]]).all()
    assert np.isnan(evaluator.number(parse("1 / 0"), Situation(now=NOW)))
    assert evaluator.number(parse("2 if item.sale else 1"), Situation(now=NOW)).tolist() == [2, 1, 1, 2, 1]
    assert evaluator.number(parse("max(item.rate, 4) * 2"), Situation(now=NOW)).tolist()[1:3] == [8.0, 10.0]


def test_item_ids_are_attributes_too():
    assert holds('item.id in ["i1", "i4"]') == [False, True, False, False, True]


def test_what_only_depends_on_items_survives_a_change_of_other_columns():
    items, vocabulary = [dict(item) for item in ITEMS], Vocabulary([f"i{n}" for n in range(5)])
    before = Evaluator(columns_of(items), vocabulary)
    price, brand = parse("item.price > 0"), parse("item.brand == user.brand")
    who = Situation({"brand": "Acme"}, {}, NOW)
    kept = before.truth(price, who), before.truth(brand, who)
    columns = changed_columns(before.columns, [1], [{**ITEMS[1], "brand": "Acme"}], n_rows=5)
    after = Evaluator(columns, vocabulary, before)
    assert after.truth(price, who) is kept[0]
    assert after.truth(brand, who).tolist() == [True, True, False, False, False]
    assert kept[1].tolist() == [True, False, False, False, False]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('item.price > "10"', "cannot be compared by >"),
        ("item.brand < 3", "cannot be compared by <"),
        ("item.brand == 3", "cannot be compared by =="),
        ('"a" in item.brand', "contains(text, part)"),
        ("item.price", "stands where true or false is needed"),
        ("item.price and item.sale", "a number stands where true or false"),
        ("lower(item.price) == 3", "a number stands where a text is needed"),
        ("item.tags == 3", "cannot be compared"),
        ('(item.price if item.sale else "x") == 3', "are the branches"),
    ],
)
def test_kinds_that_cannot_fit_are_found_from_the_columns(text, said):
    problems = check(parse(text), "flag", columns_of(ITEMS))
    assert len(problems) >= 1
    assert said in str(problems[0])
    assert "line 1, column" in str(problems[0])


# The language evaluated item by item, slowly and obviously; the arrays must agree with it.

MISSING = ("missing", None)


def slow_truth(node, item, user, context, now):
    """Whether a condition holds for one item."""
    kind, value = slow(node, item, user, context, now)
    return kind == "flag" and bool(value)


def slow(node, item, user, context, now):
    """(kind, value) of an expression for one item."""

    def of(part):
        return slow(part, item, user, context, now)

    if isinstance(node, nodes.Constant):
        return ("flag", int(node.value)) if isinstance(node.value, bool) else constant(node.value)
    if isinstance(node, nodes.ListOf):
        return ("list", node.values)
    if isinstance(node, nodes.Now):
        return ("number", now - now % 60)
    if isinstance(node, nodes.Name):
        return plain_value({"item": item, "user": user, "context": context}[node.scope].get(node.field))
    if isinstance(node, nodes.Compare):
        return ("flag", int(compared(node.operator, of(node.left), of(node.right))))
    if isinstance(node, nodes.Logic):
        truths = [slow_truth(part, item, user, context, now) for part in node.conditions]
        return ("flag", int(all(truths) if node.operator == "and" else any(truths)))
    if isinstance(node, nodes.Not):
        return ("flag", int(not slow_truth(node.condition, item, user, context, now)))
    if isinstance(node, nodes.Arithmetic):
        return arithmetic(node.operator, of(node.left), of(node.right))
    if isinstance(node, nodes.Negative):
        kind, value = of(node.number)
        return (kind, -value) if kind == "number" else MISSING
    if isinstance(node, nodes.IfElse):
        found = of(node.yes if slow_truth(node.condition, item, user, context, now) else node.no)
        return found if found[0] in {"number", "flag"} else MISSING
    return called(node.function, [of(part) for part in node.arguments], now - now % 60)


def constant(value):
    return ("text", value) if isinstance(value, str) else ("number", value)


def compared(operator, left, right):
    if "missing" in {left[0], right[0]} or "other" in {left[0], right[0]}:
        return False
    if operator in {"in", "not in"}:
        if right[0] != "list" or left[0] not in {"text", "number"}:
            return False
        inside = any(type(word) is type(left[1]) and word == left[1] for word in right[1])
        return inside == (operator == "in")
    if left[0] != right[0] or left[0] == "list" or (left[0] != "number" and operator not in {"==", "!="}):
        return False
    a, b = left[1], right[1]
    return {"==": a == b, "!=": a != b}[operator] if operator in {"==", "!="} else ordered(operator, a, b)


def ordered(operator, a, b):
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator]


def arithmetic(operator, left, right):
    if left[0] != "number" or right[0] != "number":
        return MISSING
    a, b = left[1], right[1]
    try:
        value = {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / b, "%": lambda: a % b}[
            operator
        ]()
    except (ZeroDivisionError, OverflowError):
        return MISSING
    return ("number", value) if math.isfinite(value) else MISSING


def called(function, parts, now):
    kind, value = parts[0]
    if function == "has":
        return ("flag", int(kind != "missing"))
    if function == "lower":
        return (kind, value.lower()) if kind == "text" else MISSING
    if function in {"contains", "startswith", "overlaps"}:
        return ("flag", int(matched(function, parts[0], parts[1])))
    if function == "date":
        return ("number", date_seconds(value))
    if any(part[0] != "number" for part in parts):
        return MISSING
    if function == "days":
        return ("number", value * 86_400)
    if function == "age_days":
        return ("number", (now - value) / 86_400)
    if function == "log1p":
        return ("number", math.log1p(value)) if value > -1 else MISSING
    numbers = [part[1] for part in parts]
    return ("number", {"min": min, "max": max, "abs": lambda n: abs(n[0])}[function](numbers))


def matched(function, first, second):
    if function == "overlaps":
        return first[0] == second[0] == "list" and bool(set(first[1]) & set(second[1]))
    if function == "contains" and first[0] == "list":
        return second[0] in {"text", "number"} and second[1] in first[1]
    if first[0] != "text" or second[0] != "text":
        return False
    return second[1] in first[1] if function == "contains" else first[1].startswith(second[1])


NAMES = st.sampled_from(
    [f"item.{name}" for name in ("price", "brand", "tags", "sale", "stock", "at", "rate", "extra", "absent")]
    + [f"user.{name}" for name in ("a", "b")]
    + ["context.c", "now"]
)
CONSTANTS = st.sampled_from(['"red"', '"Acme"', '""', "3", "0", "-2.5", "4.0", "true", "false", 'date("2025-12-30")'])
LISTS = st.sampled_from(['["red", "Acme"]', "[4.0, 10]", "[]", '["a", 3]'])


def _grown(parts):
    pair = st.tuples(parts, parts)
    return st.one_of(
        st.tuples(st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "not in", "+", "-", "*", "/"]), pair).map(
            lambda p: f"({p[1][0]} {p[0]} {p[1][1]})"
        ),
        st.tuples(st.sampled_from(["and", "or"]), pair).map(lambda p: f"({p[1][0]} {p[0]} {p[1][1]})"),
        parts.map(lambda p: f"(not {p})"),
        parts.map(lambda p: f"(-{p})"),
        st.tuples(parts, parts, parts).map(lambda p: f"({p[0]} if {p[1]} else {p[2]})"),
        st.tuples(st.sampled_from(["min", "max"]), pair).map(lambda p: f"{p[0]}({p[1][0]}, {p[1][1]})"),
        st.tuples(st.sampled_from(["abs", "log1p", "days", "age_days", "lower"]), parts).map(
            lambda p: f"{p[0]}({p[1]})"
        ),
        st.tuples(
            st.sampled_from(["contains", "startswith", "overlaps"]),
            parts,
            st.one_of(CONSTANTS, LISTS, st.just("user.a")),
        ).map(lambda p: f"{p[0]}({p[1]}, {p[2]})"),
        NAMES.filter(lambda name: name != "now").map(lambda name: f"has({name})"),
    )


EXPRESSIONS = st.recursive(st.one_of(NAMES, CONSTANTS, LISTS), _grown, max_leaves=8)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 3, 4.0, -2.5, 10, NOW]),
    st.sampled_from(["red", "Acme", "acme", "", "2025-12-30", "x" * 300]),
    st.lists(st.sampled_from(["red", "new", 4.0, 3, "a", None]), max_size=3),
    st.just({"a": 1}),
)
RECORDS = st.dictionaries(
    st.sampled_from(["price", "brand", "tags", "sale", "stock", "at", "rate", "extra"]), VALUES, max_size=6
)


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS, st.lists(RECORDS, min_size=1, max_size=6), st.dictionaries(st.sampled_from("ab"), VALUES), VALUES)
def test_arrays_say_the_same_as_a_look_at_each_item(text, items, user, c):
    node = parse(text)
    evaluator, who = evaluator_of(items), Situation(user, {"c": c}, NOW + 17)
    wanted = [slow_truth(node, item, user, {"c": c}, NOW + 17) for item in items]
    assert np.broadcast_to(evaluator.truth(node, who), len(items)).tolist() == wanted
    numbers = [slow(node, item, user, {"c": c}, NOW + 17) for item in items]
    values = [value if kind == "number" else np.nan for kind, value in numbers]
    np.testing.assert_allclose(np.broadcast_to(evaluator.number(node, who), len(items)), values, rtol=1e-12)
