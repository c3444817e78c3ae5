"""Test mode's clocks, all of which are the one clock here."""

from __future__ import annotations

from typing import Any

from tests.fake_stripe.errors import StripeRefused
from tests.fake_stripe.state import Object, State
from tests.fake_stripe.subscriptions import Subscriptions

DRIFT_SECONDS = 3_600


class Clocks:
    def __init__(self, state: State, subscriptions: Subscriptions) -> None:
        self.state = state
        self.subscriptions = subscriptions

    def start(self, asked: dict[str, Any]) -> Object:
        if abs(asked["frozen_time"] - self.state.now()) > DRIFT_SECONDS:
            raise StripeRefused("This server has one clock for everybody; begin with its present.")
        return self.state.add(
            "clock",
            "test_helpers.test_clock",
            {"frozen_time": asked["frozen_time"], "name": asked.get("name"), "status": "ready"},
        )

    def advance(self, clock_id: str, asked: dict[str, Any]) -> Object:
        clock = self.state.get(clock_id, "test_helpers.test_clock")
        if asked["frozen_time"] <= clock["frozen_time"]:
            raise StripeRefused("A clock goes forward.", parameter="frozen_time")
        self.state.advance(asked["frozen_time"] - clock["frozen_time"])
        clock["frozen_time"] = asked["frozen_time"]
        return clock

    def delete(self, clock_id: str) -> Object:
        """With it go its customers, and end their subscriptions."""
        self.state.get(clock_id, "test_helpers.test_clock")
        theirs = {one["id"] for one in self.state.of_kind("customer") if one["test_clock"] == clock_id}
        for subscription in list(self.state.of_kind("subscription")):
            if subscription["customer"] in theirs and subscription["status"] != "canceled":
                self.subscriptions.cancel(subscription["id"])
        for gone in (*theirs, clock_id):
            del self.state.objects[gone]
        return {"id": clock_id, "object": "test_helpers.test_clock", "deleted": True}
