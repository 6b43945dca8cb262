"""The second tier: lists that other processes made, under keys that hold all that a list rests on."""

import hashlib
import time
from weakref import WeakKeyDictionary

import msgspec

from foretaste.serving.cache.asked import Asked
from foretaste.serving.cache.entry import Entry
from foretaste.serving.cache.figures import TierFigures
from foretaste.serving.live.serving import Live
from foretaste.serving.pipeline import Pipeline
from foretaste.storage.cache import GuardedCache
from foretaste.storage.records import Stamp


class Kept(msgspec.Struct, array_like=True, frozen=True):
    """A list as the second tier keeps it."""

    made_at: float
    items: int
    recommendation_id: str
    item_ids: tuple[str, ...]
    head: bytes

    def entry(self, stamp: Stamp, variant: int, *, clock_now: float, ttl_s: float) -> Entry:
        """The list as an entry of the first tier; good for what is left of its time."""
        left = min(ttl_s, ttl_s - (time.time() - self.made_at))
        entry = Entry(
            self.head,
            stamp,
            variant,
            recommendation_id=self.recommendation_id,
            item_ids=self.item_ids,
            good_until=clock_now + left,
            made_at=self.made_at,
        )
        entry.items = self.items
        return entry


class SharedLists:
    """Lists in a cache that several processes use.

    A key is made of the model version, the pipeline, the user's stamp, the shared stamp and the question: after an
    event, a rule or a swap the key is another one, so there is nothing to invalidate and nothing stale to read.

    Args:
        namespace: what tells installations apart that use one cache.
    """

    def __init__(self, cache: GuardedCache, *, namespace: str) -> None:
        self.cache = cache
        self._namespace = hashlib.blake2b(namespace.encode(), digest_size=8).hexdigest()
        self._decoder = msgspec.msgpack.Decoder(Kept)
        self._encoder = msgspec.msgpack.Encoder()
        self._pipelines: WeakKeyDictionary[Pipeline, str] = WeakKeyDictionary()
        self._figures = TierFigures()

    @property
    def figures(self) -> TierFigures:
        """Of this tier; a look-up that the cache did not answer counts as a miss, too."""
        self._figures.failed, self._figures.skipped = self.cache.failed, self.cache.skipped
        return self._figures

    async def get(self, subject: str, asked: Asked, stamp: Stamp, live: Live, *, ttl_s: float) -> Kept | None:
        """The list that another process made from the same things less than ``ttl_s`` ago; None when there is none."""
        raw = await self.cache.get(self._key(subject, asked, stamp, live))
        kept = None
        if raw is not None:
            try:
                kept = self._decoder.decode(raw)
            except msgspec.MsgspecError:  # not ours, or of another version of this program
                kept = None
        if kept is not None and time.time() - kept.made_at < ttl_s:
            self._figures.hits += 1
            return kept
        self._figures.misses += 1
        return None

    def put(self, subject: str, asked: Asked, entry: Entry, live: Live, *, ttl_s: float) -> None:
        """Keep a list for the others, for ``ttl_s``."""
        kept = Kept(entry.made_at, entry.items, entry.recommendation_id, entry.item_ids, entry.head)
        self.cache.put(self._key(subject, asked, entry.stamp, live), self._encoder.encode(kept), ttl_s=ttl_s)

    def _key(self, subject: str, asked: Asked, stamp: Stamp, live: Live) -> str:
        parts = (live.bundle.label, self._fingerprint(live.pipeline), subject, *stamp.user, stamp.shared, asked.text)
        return f"foretaste:{self._namespace}:{hashlib.blake2b(repr(parts).encode(errors='replace')).hexdigest()[:40]}"

    def _fingerprint(self, pipeline: Pipeline) -> str:
        found = self._pipelines.get(pipeline)
        if found is None:
            text = f"{pipeline.config.model_dump_json()} {pipeline.min_history}"
            found = self._pipelines[pipeline] = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        return found
