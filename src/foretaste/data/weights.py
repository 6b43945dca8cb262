"""What an action is worth: one weight for each kind of action, and the one name that its many spellings stand for."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Weight = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]

RATING = "rating"
INTERACTION = "interaction"
READ = "read"
LIKE = "like"
DISLIKE = "dislike"
NOT_KNOWN = "not_known"
"""Somebody was asked about an item and does not know it: no sign, and no reason to leave the item out."""


class ActionWeights(BaseModel):
    """How strongly each action speaks for an item; 0 means «seen, but no sign of interest».

    Any further action can be given by name, as in ``ActionWeights(purchase=10, wishlist=3, tasting=2)``. The defaults
    are a starting point for shops: the more an action costs the person, the more it says.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Weight]

    interaction: Weight = 1.0
    """An action of no known kind; multiplied by its value where the data has one (a play count, a weight)."""
    view: Weight = 1.0
    click: Weight = 1.0
    play: Weight = 1.0
    read: Weight = 1.0
    """A read item; multiplied by log₂(1 + seconds / median seconds), at most 2, where the seconds are known."""
    search: Weight = 1.0
    add_to_cart: Weight = 3.0
    wishlist: Weight = 3.0
    follow: Weight = 3.0
    comment: Weight = 3.0
    share: Weight = 4.0
    like: Weight = 4.0
    subscribe: Weight = 4.0
    purchase: Weight = 5.0
    rating: Weight = 5.0
    """The best rating among other actions (a lower one counts in proportion). Data of ratings only keeps them as
    they are.
    """
    impression: Weight = 0.0
    skip: Weight = 0.0
    dislike: Weight = 0.0
    hide: Weight = 0.0
    unlike: Weight = 0.0
    unfollow: Weight = 0.0
    remove_from_cart: Weight = 0.0
    return_: Weight = Field(default=0.0, alias="return")
    not_known: Weight = 0.0

    def table(self) -> dict[str, float]:
        """Action name → weight, those given by name included."""
        known = {name.rstrip("_"): float(getattr(self, name)) for name in type(self).model_fields}
        return known | {normal_action(name): float(w) for name, w in (self.__pydantic_extra__ or {}).items()}


def default_weights() -> ActionWeights:
    """The weights that come with Foretaste."""
    return ActionWeights.model_validate({})


_ALIASES: Mapping[str, str] = {
    "addtocart": "add_to_cart",
    "add_to_basket": "add_to_cart",
    "addtobasket": "add_to_cart",
    "add_cart": "add_to_cart",
    "cart": "add_to_cart",
    "basket": "add_to_cart",
    "removefromcart": "remove_from_cart",
    "remove_from_basket": "remove_from_cart",
    "pageview": "view",
    "page_view": "view",
    "product_view": "view",
    "item_view": "view",
    "view_item": "view",
    "detail": "view",
    "pv": "view",
    "clicked": "click",
    "viewed": "view",
    "buy": "purchase",
    "bought": "purchase",
    "order": "purchase",
    "purchased": "purchase",
    "transaction": "purchase",
    "fav": "wishlist",
    "favorite": "wishlist",
    "favourite": "wishlist",
    "save": "wishlist",
    "bookmark": "wishlist",
    "add_to_wishlist": "wishlist",
    "listen": "play",
    "listened": "play",
    "watch": "play",
    "stream": "play",
    "liked": "like",
    "thumbs_up": "like",
    "upvote": "like",
    "disliked": "dislike",
    "thumbs_down": "dislike",
    "downvote": "dislike",
    "skipped": "skip",
    "rate": "rating",
    "rated": "rating",
    "review": "rating",
    "stars": "rating",
    "show": "impression",
    "exposure": "impression",
    "refund": "return",
}


@lru_cache(maxsize=4096)  # asked for each event of each history
def normal_action(name: str) -> str:
    """The one name of an action: lower case, underscores, well-known spellings joined.

    >>> normal_action("Add-To-Cart"), normal_action("transaction"), normal_action("tasting")
    ('add_to_cart', 'purchase', 'tasting')
    """
    plain = "_".join(name.strip().lower().replace("-", " ").replace("_", " ").split())
    return _ALIASES.get(plain, plain)
