"""What the OpenAPI document says beyond the signatures: bodies that are read by hand, and errors."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from foretaste.api.scopes import scope_of
from foretaste.schemas import (
    CommandRequest,
    ErrorBody,
    HistoryRequest,
    Interaction,
    InteractionBatch,
    ItemBatch,
    ItemFields,
    ItemRecord,
    KeyRequest,
    MergeRequest,
    OnboardingAnswers,
    PromoteRequest,
    RollbackRequest,
    RulesRequest,
    ScenarioRequest,
    SettingRequest,
    UserBatch,
    UserFields,
    UserRecord,
    UsersRequest,
)

_BODIES: tuple[type[BaseModel], ...] = (
    CommandRequest,
    ErrorBody,
    HistoryRequest,
    Interaction,
    InteractionBatch,
    ItemBatch,
    ItemFields,
    ItemRecord,
    MergeRequest,
    OnboardingAnswers,
    KeyRequest,
    PromoteRequest,
    RollbackRequest,
    RulesRequest,
    ScenarioRequest,
    SettingRequest,
    UserBatch,
    UserFields,
    UserRecord,
    UsersRequest,
)
_WHAT = {
    400: "The body is no valid JSON.",
    401: "No credential, or one that is not valid.",
    403: "The credential lacks the scope that this needs; the error names it.",
    404: "There is no such user, item, version or route.",
    409: "It conflicts with what is there.",
    413: "The body is too large.",
    422: "A parameter or a field is wrong; the error names it.",
    429: "Too many requests; `Retry-After` says when to come again.",
    431: "The headers are too large.",
    500: "An unexpected error; the log has the request id.",
    503: "The store cannot be used now; nothing was stored. Send it again.",
    507: "The disk is full; nothing was stored.",
}
_TOO_LONG = {"description": "The address is longer than 64 kB; the server refuses it without a body, before any route."}
_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key (`ft_…`) or a token (JWT, HS256, signed with SECRET_KEY).",
    },
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
}
_GATE = (401, 403, 429, 431)
"""What every route that needs a credential may answer before it is asked."""
_TAGS = [
    {"name": "recommendations", "description": "Lists for users, visits and items, and lists for everybody."},
    {"name": "sessions", "description": "Lists for visits of people who are not signed in."},
    {"name": "onboarding", "description": "What newcomers are asked, and what they answer."},
    {"name": "shop", "description": "The short form that shop pages read."},
    {"name": "interactions", "description": "What people do. Answered after it is durable."},
    {"name": "users", "description": "Users and their attributes."},
    {"name": "items", "description": "Items and their attributes."},
    {"name": "rules", "description": "What may be shown, what comes first, and what each scenario does."},
    {"name": "models", "description": "Published versions of the models, and how they go live."},
    {"name": "admin", "description": "Single parameters, reloading and training."},
    {"name": "access", "description": "API keys, and the log of what was done."},
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
            made["components"]["securitySchemes"] = _SCHEMES
            for path, methods in made["paths"].items():
                for method, operation in methods.items():
                    operation["responses"].setdefault("414", _TOO_LONG)
                    _document_gate(operation, scope_of(method.upper(), path))
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _document_gate(operation: dict[str, Any], scope: str | None) -> None:
    """Say what scope an operation needs, and how it is refused without."""
    operation["security"] = [] if scope is None else [{name: [scope]} for name in _SCHEMES]
    if scope is None:
        return
    operation["description"] = f"{operation.get('description', '')}\n\nNeeds the scope `{scope}`.".strip()
    for status in _GATE:
        content = {"application/json": {"schema": {"$ref": _ref(ErrorBody)}}}
        operation["responses"].setdefault(str(status), {"description": _WHAT[status], "content": content})


def _ref(schema: type[BaseModel]) -> str:
    return f"#/components/schemas/{schema.__name__}"
