"""Which request does what, and the type in stripe-python that its parameters must have."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from stripe import params
from stripe.params import billing_portal as portal_params
from stripe.params import checkout as checkout_params
from stripe.params import test_helpers as clock_params

from tests.fake_stripe.checkout import Checkout
from tests.fake_stripe.clocks import Clocks
from tests.fake_stripe.customers import Customers
from tests.fake_stripe.errors import StripeRefused, not_found
from tests.fake_stripe.payments import Payments
from tests.fake_stripe.portal import Portal
from tests.fake_stripe.shapes import checked
from tests.fake_stripe.state import Object, State, public
from tests.fake_stripe.subscriptions import Subscriptions

KINDS = {
    "customers": "customer",
    "products": "product",
    "prices": "price",
    "checkout/sessions": "checkout.session",
    "payment_intents": "payment_intent",
    "charges": "charge",
    "refunds": "refund",
    "disputes": "dispute",
    "invoices": "invoice",
    "invoice_payments": "invoice_payment",
    "subscriptions": "subscription",
    "payment_methods": "payment_method",
    "test_helpers/test_clocks": "test_helpers.test_clock",
    "subscription_schedules": "subscription_schedule",
    "balance_transactions": "balance_transaction",
    "billing_portal/configurations": "billing_portal.configuration",
    "billing_portal/sessions": "billing_portal.session",
}
LISTS: dict[str, type[Any]] = {
    "prices": params.PriceListParams,
    "checkout/sessions": checkout_params.SessionListParams,
    "payment_intents": params.PaymentIntentListParams,
    "charges": params.ChargeListParams,
    "refunds": params.RefundListParams,
    "disputes": params.DisputeListParams,
    "invoices": params.InvoiceListParams,
    "invoice_payments": params.InvoicePaymentListParams,
    "subscriptions": params.SubscriptionListParams,
    "balance_transactions": params.BalanceTransactionListParams,
    "billing_portal/configurations": portal_params.ConfigurationListParams,
}


class PaymentPageConfirmParams(TypedDict):
    """What Stripe's own command-line tool sends to have a pay page paid. The library publishes no type for it."""

    payment_method: str
    expected_amount: NotRequired[int]


PAGING = frozenset({"limit", "starting_after", "ending_before", "expand", "created", "type", "types"})


@dataclass(frozen=True)
class Post:
    """What a POST to an address does. ``act`` takes the id in the address, if there is one, and what was asked."""

    shape: type[Any]
    act: Callable[[str, dict[str, Any]], Object]


class Routes:
    def __init__(self, state: State) -> None:
        self.state = state
        self.payments = Payments(state)
        self.customers = Customers(state)
        self.subscriptions = Subscriptions(state, self.customers, self.payments)
        self.clocks = Clocks(state, self.subscriptions)
        self.checkout = Checkout(state, self.customers, self.payments, self.subscriptions)
        self.portal = Portal(state, self.customers, self.subscriptions)
        checkout, subscriptions, portal = self.checkout, self.subscriptions, self.portal
        customers, clocks = self.customers, self.clocks
        schedules = subscriptions.schedules
        self._posts: list[tuple[str, Post]] = [
            ("customers", Post(params.CustomerCreateParams, lambda _, asked: customers.create(asked))),
            ("customers/{}", Post(params.CustomerUpdateParams, customers.update)),
            (
                "payment_methods",
                Post(params.PaymentMethodCreateParams, lambda _, asked: customers.create_method(asked)),
            ),
            ("payment_methods/{}/attach", Post(params.PaymentMethodAttachParams, customers.keep)),
            (
                "test_helpers/test_clocks",
                Post(clock_params.TestClockCreateParams, lambda _, asked: clocks.start(asked)),
            ),
            ("test_helpers/test_clocks/{}/advance", Post(clock_params.TestClockAdvanceParams, clocks.advance)),
            ("payment_pages/{}/confirm", Post(PaymentPageConfirmParams, checkout.confirm)),
            ("invoices/{}/pay", Post(params.InvoicePayParams, subscriptions.pay_invoice)),
            ("disputes/{}", Post(params.DisputeUpdateParams, self.payments.answer_dispute)),
            (
                "disputes/{}/close",
                Post(params.DisputeCloseParams, lambda one, _: self.payments.accept_dispute(one)),
            ),
            ("products", Post(params.ProductCreateParams, lambda _, asked: checkout.create_product(asked))),
            ("prices", Post(params.PriceCreateParams, lambda _, asked: checkout.create_price(asked))),
            ("refunds", Post(params.RefundCreateParams, lambda _, asked: self.payments.refund(asked))),
            (
                "checkout/sessions",
                Post(checkout_params.SessionCreateParams, lambda _, asked: checkout.create_session(asked)),
            ),
            (
                "checkout/sessions/{}/expire",
                Post(checkout_params.SessionExpireParams, lambda one, _: checkout.expire(one)),
            ),
            ("subscriptions", Post(params.SubscriptionCreateParams, lambda _, asked: subscriptions.create(asked))),
            ("subscriptions/{}", Post(params.SubscriptionUpdateParams, subscriptions.update)),
            (
                "subscription_schedules",
                Post(params.SubscriptionScheduleCreateParams, lambda _, asked: schedules.create(asked)),
            ),
            ("subscription_schedules/{}", Post(params.SubscriptionScheduleUpdateParams, schedules.update)),
            (
                "subscription_schedules/{}/release",
                Post(params.SubscriptionScheduleReleaseParams, lambda one, _: schedules.release(one)),
            ),
            (
                "billing_portal/configurations",
                Post(portal_params.ConfigurationCreateParams, lambda _, asked: portal.create_configuration(asked)),
            ),
            (
                "billing_portal/sessions",
                Post(portal_params.SessionCreateParams, lambda _, asked: portal.create_session(asked)),
            ),
        ]

    def post(self, path: str, asked: dict[str, Any]) -> Object:
        """Do it, and answer the object.

        Raises:
            StripeRefused: there is no such address, or the parameters are wrong, or it cannot be done.
        """
        for pattern, post in self._posts:
            if match := re.fullmatch(pattern.replace("{}", "([a-z]+_[A-Za-z0-9_]+)"), path):
                asked = checked(post.shape, asked)
                object_id = match[1] if match.lastindex else ""
                try:
                    return self.expanded(post.act(object_id, asked), asked.get("expand", []))
                except StripeRefused as refusal:
                    refusal.was_tried = True
                    raise
        raise _unknown("POST", path)

    def get(self, path: str, asked: dict[str, Any]) -> Object:
        if path == "events":
            return self._page(path, list(reversed(self.state.events)), checked(params.EventListParams, asked))
        if path in LISTS:
            asked = checked(LISTS[path], asked)
            return self._page(path, [one for one in self.state.of_kind(KINDS[path]) if _fits(one, asked)], asked)
        resource, _, object_id = path.rpartition("/")
        if resource == "events":
            return next((one for one in self.state.events if one["id"] == object_id), None) or _absent(object_id)
        if resource in KINDS:
            if unknown := set(asked) - {"expand"}:  # nothing that we read takes more
                raise StripeRefused(f"Received unknown parameter: {unknown.pop()}", code="parameter_unknown")
            return self.expanded(self.state.get(object_id, KINDS[resource]), asked.get("expand", []))
        raise _unknown("GET", path)

    def delete(self, path: str, asked: dict[str, Any]) -> Object:
        resource, _, object_id = path.rpartition("/")
        if resource == "subscriptions":
            checked(params.SubscriptionCancelParams, asked)
            return public(self.subscriptions.cancel(object_id))
        if resource == "test_helpers/test_clocks":
            checked(clock_params.TestClockDeleteParams, asked)
            return self.clocks.delete(object_id)
        raise _unknown("DELETE", path)

    # --- answers ---------------------------------------------------------------------------------------------

    def expanded(self, subject: Object, paths: list[str]) -> Object:
        """The object as it leaves, with whole objects where ``paths`` ask for them instead of ids."""
        shown = copy.deepcopy(public(subject))
        for path in paths:
            name, _, rest = path.partition(".")
            inner = [rest] if rest else []
            if f"_{name}" in subject:  # left out of the answer unless it is asked for
                shown[name] = copy.deepcopy(subject[f"_{name}"])
            elif isinstance(shown.get(name), str):
                shown[name] = self.expanded(self.state.objects[shown[name]], inner)
            elif name not in shown:
                raise StripeRefused(f"This property cannot be expanded ({name}).", parameter="expand")
        return shown

    def _page(self, path: str, found: list[Object], asked: dict[str, Any]) -> Object:
        found = [one for one in found if _is_within(one["created"], asked.get("created"))]
        if wanted := set(asked.get("types", [])) | ({asked["type"]} if "type" in asked else set()):
            found = [one for one in found if one["type"] in wanted]
        ids = [one["id"] for one in found]
        start = ids.index(asked["starting_after"]) + 1 if asked.get("starting_after") in ids else 0
        limit = asked.get("limit", 10)
        inner = [path[5:] for path in asked.get("expand", [])]  # data.…
        page = [self.expanded(one, inner) for one in found[start : start + limit]]
        return {"object": "list", "url": f"/v1/{path}", "has_more": len(found) > start + limit, "data": page}


def _fits(one: Object, asked: dict[str, Any]) -> bool:
    """Whether an object has what a list's filters ask for."""
    for name, wanted in asked.items():
        if name in PAGING or (name == "status" and wanted == "all"):
            continue
        if isinstance(wanted, dict):
            if any(one.get(name, {}).get(inner) != value for inner, value in wanted.items()):
                return False
        elif name == "subscription":
            if wanted not in (one.get("subscription"), one.get("_subscription")):
                return False
        elif one.get(name) != wanted:
            return False
    return True


def _is_within(created: int, asked: Any) -> bool:
    limits: dict[str, int] = asked if isinstance(asked, dict) else {}
    return (
        created >= limits.get("gte", 0)
        and created > limits.get("gt", -1)
        and created <= limits.get("lte", 1 << 62)
        and created < limits.get("lt", 1 << 62)
    )


def _unknown(method: str, path: str) -> StripeRefused:
    return StripeRefused(f"Unrecognized request URL ({method}: /v1/{path}).", status=404)


def _absent(object_id: str) -> Object:
    raise not_found(object_id)
