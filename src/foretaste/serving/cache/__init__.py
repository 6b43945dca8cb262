"""Lists that were made before, ready to send: where they are kept, and how it is known that they are still right."""

from foretaste.serving.cache.asked import Asked, Asking
from foretaste.serving.cache.entry import TAIL, head_of
from foretaste.serving.cache.figures import CacheCollector
from foretaste.serving.cache.lists import CachedLists, CacheLimits
from foretaste.serving.cache.process import ProcessCache
from foretaste.serving.cache.shared import SharedLists

__all__ = [
    "TAIL",
    "Asked",
    "Asking",
    "CacheCollector",
    "CacheLimits",
    "CachedLists",
    "ProcessCache",
    "SharedLists",
    "head_of",
]
