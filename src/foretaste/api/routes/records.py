"""Users and items: put, get, list, delete."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from foretaste.api.bodies import read_batch, read_json
from foretaste.api.documents import body, errors
from foretaste.api.errors import InvalidRequestError, json_response, request_id
from foretaste.api.routes.shared import batch_answer, engine_of
from foretaste.schemas import (
    BatchResult,
    ItemBatch,
    ItemFields,
    ItemRecord,
    RecordPage,
    StoredRecord,
    UserBatch,
    UserFields,
    UserRecord,
)

Kind = Literal["user", "item"]
Cursor = Annotated[str | None, Query(max_length=1024, description="`next_cursor` of the part before.")]
PageSize = Annotated[int, Query(ge=1, le=1000, description="Records in one part.")]


def router_of(kind: Kind, fields: type[BaseModel], record: type[BaseModel], batch: type[BaseModel]) -> APIRouter:
    """The routes of users or of items."""
    router = APIRouter(prefix=f"/api/v1/{kind}s", tags=[f"{kind}s"])
    one = "{record_id:path}"
    record_id = Annotated[str, Path(examples=["u-42" if kind == "user" else "p-7"])]

    @router.put(
        f"/{one}",
        response_model=StoredRecord,
        responses=errors(400, 404, 413, 422, 500, 503, 507),
        openapi_extra=body(fields),
        operation_id=f"put_{kind}",
        summary=f"Insert or replace one {kind}",
    )
    async def put(request: Request, record_id: record_id) -> Response:
        value = await read_json(request)
        if not isinstance(value, dict):
            raise InvalidRequestError(f"the body must be an object, not {type(value).__name__}")
        values = {name: part for name, part in value.items() if name not in _ids(kind)}
        results = await engine_of(request).upsert(kind, [{**values, f"{kind}_id": record_id}])
        if results[0].status == "rejected":
            return batch_answer(request_id(request), results, f"{kind}s")
        return json_response(_stored(await engine_of(request).get(kind, str(results[0].record_id))))

    @router.post(
        "",
        response_model=BatchResult,
        responses={
            207: {"model": BatchResult, "description": "Some were rejected; the others are stored."},
            **errors(400, 413, 422, 500, 503, 507),
        },
        openapi_extra=body(batch, record, array_of=record),
        operation_id=f"post_{kind}s",
        summary=f"Insert or replace one {kind} or many",
    )
    async def post(request: Request) -> Response:
        raw = await read_batch(request, f"{kind}s")
        return batch_answer(request_id(request), await engine_of(request).upsert(kind, raw), f"{kind}s")

    @router.get(
        "",
        response_model=RecordPage,
        responses=errors(422, 500, 503),
        operation_id=f"list_{kind}s",
        summary=f"List {kind}s in the order of their ids",
    )
    async def page(request: Request, cursor: Cursor = None, limit: PageSize = 100) -> Response:
        found = await engine_of(request).page(kind, cursor=cursor, limit=limit)
        return json_response({"records": [_stored(r) for r in found.records], "next_cursor": found.next_cursor})

    @router.get(
        f"/{one}",
        response_model=StoredRecord,
        responses=errors(404, 422, 500, 503),
        operation_id=f"get_{kind}",
        summary=f"Get one {kind}",
    )
    async def get(request: Request, record_id: record_id) -> Response:
        return json_response(_stored(await engine_of(request).get(kind, record_id)))

    @router.delete(
        f"/{one}",
        status_code=204,
        responses=errors(404, 422, 500, 503, 507),
        operation_id=f"delete_{kind}",
        summary="Delete a user with all its events" if kind == "user" else "Delete an item (its events stay)",
    )
    async def delete(request: Request, record_id: record_id) -> Response:
        await engine_of(request).delete(kind, record_id)
        return Response(status_code=204)

    return router


def _ids(kind: Kind) -> tuple[str, ...]:
    return ("user_id", "id") if kind == "user" else ("item_id", "product_id", "id")


def _stored(record: Any) -> dict[str, Any]:
    return {
        "id": record.record_id,
        "attributes": dict(record.attributes),
        "is_available": record.is_available,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "version": record.version,
    }


users = router_of("user", UserFields, UserRecord, UserBatch)
items = router_of("item", ItemFields, ItemRecord, ItemBatch)
