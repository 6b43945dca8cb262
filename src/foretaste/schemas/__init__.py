"""Bodies of requests and answers, as the API documents them."""

from foretaste.schemas.access import AuditEntryBody, AuditPage, KeyBody, KeyList, KeyRequest, NewKey
from foretaste.schemas.admin import (
    Health,
    ModelList,
    ModelVersionBody,
    Promoted,
    PromoteRequest,
    RollbackRequest,
    RolloutBody,
)
from foretaste.schemas.common import BatchResult, Body, ErrorBody, ErrorDetail, RecordResult
from foretaste.schemas.events import Interaction, InteractionBatch
from foretaste.schemas.recommend import (
    HistoryEntry,
    HistoryRequest,
    Recommendations,
    RecommendationsOfUsers,
    RecommendedItem,
    SkippedSource,
    UsersRequest,
)
from foretaste.schemas.records import (
    ItemBatch,
    ItemFields,
    ItemRecord,
    RecordPage,
    StoredRecord,
    UserBatch,
    UserFields,
    UserRecord,
)
from foretaste.schemas.shop import Merged, MergeRequest, ShopRecommendations, SimilarUser, SimilarUsersBody

__all__ = [
    "AuditEntryBody",
    "AuditPage",
    "BatchResult",
    "Body",
    "ErrorBody",
    "ErrorDetail",
    "Health",
    "HistoryEntry",
    "HistoryRequest",
    "Interaction",
    "InteractionBatch",
    "ItemBatch",
    "ItemFields",
    "ItemRecord",
    "KeyBody",
    "KeyList",
    "KeyRequest",
    "MergeRequest",
    "Merged",
    "ModelList",
    "ModelVersionBody",
    "NewKey",
    "PromoteRequest",
    "Promoted",
    "Recommendations",
    "RecommendationsOfUsers",
    "RecommendedItem",
    "RecordPage",
    "RecordResult",
    "RollbackRequest",
    "RolloutBody",
    "ShopRecommendations",
    "SimilarUser",
    "SimilarUsersBody",
    "SkippedSource",
    "StoredRecord",
    "UserBatch",
    "UserFields",
    "UserRecord",
    "UsersRequest",
]
