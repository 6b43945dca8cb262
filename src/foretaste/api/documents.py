"""What the OpenAPI document says beyond the signatures: bodies that are read by hand, and errors."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from foretaste.schemas import (
    ErrorBody,
    HistoryRequest,
    Interaction,
    InteractionBatch,
    ItemBatch,
    ItemFields,
    ItemRecord,
    MergeRequest,
    PromoteRequest,
    RollbackRequest,
    UserBatch,
    UserFields,
    UserRecord,
    UsersRequest,
)

_BODIES: tuple[type[BaseModel], ...] = (
    ErrorBody,
    HistoryRequest,
    Interaction,
    InteractionBatch,
    ItemBatch,
    ItemFields,
    ItemRecord,
    MergeRequest,
    PromoteRequest,
    RollbackRequest,
    UserBatch,
    UserFields,
    UserRecord,
    UsersRequest,
)
_WHAT = {
    400: "The body is no valid JSON.",
    404: "There is no such user, item, version or route.",
    409: "It conflicts with what is there.",
    413: "The body is too large.",
    422: "A parameter or a field is wrong; the error names it.",
    500: "An unexpected error; the log has the request id.",
    503: "The store cannot be used now; nothing was stored. Send it again.",
    507: "The disk is full; nothing was stored.",
}
_TOO_LONG = {"description": "The address is longer than 64 kB; the server refuses it without a body, before any route."}
_TAGS = [
    {"name": "recommendations", "description": "Lists for users, visits and items, and lists for everybody."},
    {"name": "sessions", "description": "Lists for visits of people who are not signed in."},
    {"name": "shop", "description": "The short form that shop pages read."},
    {"name": "interactions", "description": "What people do. Answered after it is durable."},
    {"name": "users", "description": "Users and their attributes."},
    {"name": "items", "description": "Items and their attributes."},
    {"name": "models", "description": "Published versions of the models, and how they go live."},
    {"name": "service", "description": "Health and figures."},
]


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Documented error answers; 422 and 503 belong to every route that reads parameters or the store."""
    return {status: {"model": ErrorBody, "description": _WHAT[status]} for status in statuses}


def body(*schemas: type[BaseModel], array_of: type[BaseModel] | None = None, required: bool = True) -> dict[str, Any]:
    """A JSON body: one of ``schemas``, or an array."""
    options: list[dict[str, Any]] = [{"$ref": _ref(schema)} for schema in schemas]
    if array_of is not None:
        options.append({"type": "array", "items": {"$ref": _ref(array_of)}, "minItems": 1, "maxItems": 10_000})
    schema = options[0] if len(options) == 1 else {"anyOf": options}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


def install(app: FastAPI) -> None:
    """Make the app's OpenAPI document whole."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes, tags=_TAGS
            )
            parts = made.setdefault("components", {}).setdefault("schemas", {})
            _, definitions = models_json_schema(
                [(schema, "validation") for schema in _BODIES], ref_template="#/components/schemas/{model}"
            )
            for name, schema in definitions["$defs"].items():
                parts.setdefault(name, schema)
            for methods in made["paths"].values():
                for operation in methods.values():
                    operation["responses"].setdefault("414", _TOO_LONG)
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _ref(schema: type[BaseModel]) -> str:
    return f"#/components/schemas/{schema.__name__}"
