"""Subscription schedules: another price from the next period on."""

from __future__ import annotations

import itertools
from typing import Any

from tests.fake_stripe.errors import StripeRefused
from tests.fake_stripe.state import Object, State


class Schedules:
    def __init__(self, state: State) -> None:
        self.state = state

    def create(self, asked: dict[str, Any]) -> Object:
        if "from_subscription" not in asked:
            raise StripeRefused("This server only makes schedules from a subscription.", parameter="from_subscription")
        subscription = self.state.get(asked["from_subscription"], "subscription")
        if subscription["schedule"]:
            raise StripeRefused("You cannot migrate a subscription that is already attached to a schedule.")
        item = subscription["items"]["data"][0]
        phase: Object = {"start_date": item["current_period_start"], "end_date": item["current_period_end"]}
        phase["items"] = [{"price": item["price"]["id"], "quantity": 1}]
        schedule = self.state.add(
            "sub_sched",
            "subscription_schedule",
            {
                "status": "active",
                "subscription": subscription["id"],
                "customer": subscription["customer"],
                "end_behavior": "release",
                "current_phase": {"start_date": phase["start_date"], "end_date": phase["end_date"]},
                "phases": [phase],
                "metadata": asked.get("metadata", {}),
            },
        )
        subscription["schedule"] = schedule["id"]
        self.state.emit("subscription_schedule.created", schedule)
        self.state.emit("customer.subscription.updated", subscription)
        return schedule

    def update(self, schedule_id: str, asked: dict[str, Any]) -> Object:
        schedule = self.state.get(schedule_id, "subscription_schedule")
        phases: list[Object] = asked["phases"] if "phases" in asked else schedule["phases"]
        if phases[0].get("start_date") != schedule["phases"][0]["start_date"]:
            raise StripeRefused("The current phase must keep its start_date.", parameter="phases[0][start_date]")
        for phase in phases:
            for item in phase["items"]:
                self.state.get(item["price"], "price")
        for before, after in itertools.pairwise(phases):
            after.setdefault("start_date", before["end_date"])
        schedule.update(phases=phases, end_behavior=asked.get("end_behavior", schedule["end_behavior"]))
        self.state.emit("subscription_schedule.updated", schedule)
        return schedule

    def release(self, schedule_id: str) -> Object:
        schedule = self.state.get(schedule_id, "subscription_schedule")
        schedule["status"] = "released"
        subscription = self.state.get(schedule["subscription"], "subscription")
        subscription["schedule"] = None
        self.state.emit("subscription_schedule.released", schedule)
        self.state.emit("customer.subscription.updated", subscription)
        return schedule

    def take_effect(self, subscription: Object) -> Object | None:
        """The price of the schedule's next phase, which begins now. With that the schedule has done its work."""
        if not subscription["schedule"]:
            return None
        schedule = self.state.get(subscription["schedule"], "subscription_schedule")
        upcoming = schedule["phases"][1:]
        schedule["status"] = "released"
        subscription["schedule"] = None
        self.state.emit("subscription_schedule.released", schedule)
        return self.state.get(upcoming[0]["items"][0]["price"], "price") if upcoming else None
