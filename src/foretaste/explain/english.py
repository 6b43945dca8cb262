"""Reasons in English."""

from foretaste.explain.language import Language

ENGLISH = Language(
    code="en",
    quoted="“{title}”",
    last_two=" and ",
    last_phrases=", and ",
    verbs={
        "view": "viewed {items}",
        "click": "looked at {items}",
        "play": "played {items}",
        "read": "read {items}",
        "search": "searched for {items}",
        "add_to_cart": "put {items} in your cart",
        "wishlist": "saved {items}",
        "follow": "follow {items}",
        "comment": "commented on {items}",
        "share": "shared {items}",
        "like": "liked {items}",
        "subscribe": "subscribed to {items}",
        "purchase": "bought {items}",
        "rating": "rated {items}",
    },
    other_verb="chose {items}",
    because="Because you {actions}",
    because_items="Because of your interest in {items}",
    like_items="Like {items} ({features})",
    shares="Shares {features}",
    tags="tags",
    popular_in="Popular in {groups}",
    popular_period="Popular {period}",
    periods={"1": "today", "7": "this week", "31": "this month", "366": "this year"},
    kinds={
        "similar_users": "People with similar taste liked this",
        "popular": "Popular with many people",
        "trending": "Trending right now",
        "top_rated": "Rated highly by other people",
        "new": "New in the shop",
        "random": "Something different to discover",
    },
    fallback="Recommended for you",
)
