"""``foretaste recommend``: lists at the prompt, from the live model and the record store."""

from typing import TYPE_CHECKING, Annotated

import typer

from foretaste.cli.options import AsJson, Home, ListLength, settings_of
from foretaste.cli.output import print_json, print_table

if TYPE_CHECKING:
    from foretaste.serving.answers import Answer
    from foretaste.settings import Settings


def recommend(
    users: Annotated[list[str] | None, typer.Argument(help="User ids.")] = None,
    history: Annotated[
        str | None, typer.Option(help="Item ids of somebody unknown, oldest first, separated by commas.")
    ] = None,
    similar_to: Annotated[str | None, typer.Option(help="An item id: list what resembles it instead.")] = None,
    k: ListLength = 10,
    scenario: Annotated[str, typer.Option(help="Scenario of the pipeline.")] = "default",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show the lists of users, of a history, or of what resembles an item, with reasons."""
    import asyncio

    from foretaste.errors import ConfigurationError

    if not users and history is None and similar_to is None:
        raise ConfigurationError(
            "nobody to recommend for", hint="give user ids, --history item,item or --similar-to item"
        )
    answers = asyncio.run(_answers(settings_of(home), users or [], history, similar_to, k=k, scenario=scenario))
    if as_json:
        print_json([answer_values(answer) for answer in answers])
        return
    for answer in answers:
        print_answer(answer)


async def _answers(
    settings: "Settings", users: list[str], history: str | None, similar_to: str | None, *, k: int, scenario: str
) -> "list[Answer]":
    from foretaste.serving.bootstrap import open_engine

    async with open_engine(settings) as engine:
        answers = [await engine.recommend(user, k=k, scenario=scenario, explain=True) for user in users]
        if history is not None:
            items = [item.strip() for item in history.split(",") if item.strip()]
            answers.append(await engine.recommend_for_history(items, k=k, scenario=scenario, explain=True))
        if similar_to is not None:
            answers.append(await engine.similar_items(similar_to, k=k))
    return answers


def answer_values(answer: "Answer") -> dict[str, object]:
    """An answer as plain values."""
    from dataclasses import asdict

    return asdict(answer)


def print_answer(answer: "Answer") -> None:
    """One list as a table, with what made it below."""
    whom = answer.user_id or (f"what resembles {answer.item_id}" if answer.item_id else "this history")
    rows = [(item.rank, item.item_id, item.title or "", item.source, item.reason or "") for item in answer.items]
    print_table(["", "item", "title", "source", "why"], rows, title=f"for {whom}")
    facts = [f"model {answer.model_version or 'none'}"]
    facts += [f"fallback: {answer.fallback}"] if answer.fallback != "none" else []
    facts += ["degraded"] if answer.degraded else []
    facts += [f"{answer.short_by} fewer than asked for"] if answer.short_by else []
    print("  " + " · ".join(facts) + "\n")
