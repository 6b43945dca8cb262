"""Reasons of several models for one item, made one."""

from collections.abc import Sequence

from foretaste.data import Reason

ITEMS_NAMED = 3


def mixed_reason(given: Sequence[tuple[float, Reason | None]]) -> Reason | None:
    """The strongest reason, its history items mixed with those of the others in proportion to their strengths.

    Args:
        given: each model's strength for this item (above 0) and its reason, None where it has none.

    Returns:
        None when no model has a reason. It is never exact: the scales of the models were changed.
    """
    known = sorted(((s, reason) for s, reason in given if reason is not None), key=lambda pair: -pair[0])
    if not known:
        return None
    first = known[0][1]
    features = tuple(dict.fromkeys(feature for _, reason in known for feature in reason.features))
    if not first.item_ids:
        return Reason(first.kind, features=first.features)
    shares: dict[str, float] = {}
    naming = [(strength, reason) for strength, reason in known if reason.item_ids]
    whole = sum(strength for strength, _ in naming)
    for strength, reason in naming:
        for item_id, share in zip(reason.item_ids, reason.shares, strict=True):
            shares[item_id] = shares.get(item_id, 0.0) + strength / whole * share
    top = sorted(shares.items(), key=lambda pair: -pair[1])[:ITEMS_NAMED]
    return Reason(first.kind, tuple(i for i, _ in top), tuple(share for _, share in top), features)
