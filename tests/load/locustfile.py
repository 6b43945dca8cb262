"""Locust: shoppers who look at lists, follow items and act. Every list is checked.

LOAD_USERS=USERS.txt LOAD_ITEMS=ITEMS.txt locust -f tests/load/locustfile.py --host http://127.0.0.1:8000
"""

import os
import random
from pathlib import Path
from urllib.parse import quote

from locust import FastHttpUser, between, task

USERS = Path(os.environ["LOAD_USERS"]).read_text(encoding="utf-8").splitlines()
ITEMS = Path(os.environ["LOAD_ITEMS"]).read_text(encoding="utf-8").splitlines()
KEY = os.environ.get("LOAD_KEY", "")
K = 10


class Shopper(FastHttpUser):
    """One visitor with short pauses between requests."""

    wait_time = between(0.01, 0.05)
    default_headers = {"Authorization": f"Bearer {KEY}"} if KEY else {}

    def on_start(self):
        self.user_id = random.choice(USERS)
        self.seen = [random.choice(ITEMS)]

    @task(14)
    def look(self):
        path = f"/api/v1/recommendations/user/{quote(self.user_id, safe='')}?limit={K}"
        with self.client.get(path, name="/recommendations/user", catch_response=True) as answer:
            try:
                found = answer.json()
                items = [item["item_id"] for item in found["items"]]
            except (ValueError, TypeError, KeyError):
                answer.failure(f"no list: {answer.status_code}")
                return
            if not len(set(items)) == len(items) == K - found["short_by"]:
                answer.failure(f"{len(items)} items, {found['short_by']} short, instead of {K}")
            self.seen = items or self.seen

    @task(3)
    def follow(self):
        item_id = quote(random.choice(self.seen), safe="")
        self.client.get(f"/api/v1/items/{item_id}/similar?limit={K}", name="/items/similar")

    @task(3)
    def act(self):
        kind = random.choice(["view", "add_to_cart", "purchase"])
        event = {"user_id": self.user_id, "item_id": random.choice(self.seen), "type": kind}
        self.client.post("/api/v1/interactions", json=event, name="/interactions")
