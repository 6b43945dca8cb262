"""What people do, one by one or in batches."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from foretaste.api.bodies import read_batch
from foretaste.api.documents import body, errors
from foretaste.api.errors import request_id
from foretaste.api.routes.shared import batch_answer, engine_of
from foretaste.schemas import BatchResult, Interaction, InteractionBatch

router = APIRouter(prefix="/api/v1", tags=["interactions"])


@router.post(
    "/interactions",
    response_model=BatchResult,
    responses={
        207: {"model": BatchResult, "description": "Some were rejected; the others are stored."},
        **errors(400, 413, 422, 500, 503, 507),
    },
    openapi_extra=body(InteractionBatch, Interaction, array_of=Interaction),
    operation_id="record_interactions",
)
async def record_interactions(request: Request) -> Response:
    """Store one interaction, an array of them, or `{"interactions": […]}`; answered after they are durable.

    Each record is checked by itself. **200**: all are stored (or were there already, by `event_id`). **207**: some were
    rejected, the others are stored. **422**: all were rejected. **503/507**: nothing was stored; send it again.
    """
    raw = await read_batch(request, "interactions")
    results = await engine_of(request).record_events(raw)
    return batch_answer(request_id(request), results, "interactions")
