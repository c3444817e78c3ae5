"""One search for customers: by email address, name, any id, or what Stripe calls them. Never reads a whole table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts import whose
from accounts.email_addresses import is_address
from accounts.models import EMAIL_DOMAIN, Membership, User, Visitor, Workspace
from billing.shop.models import Customer, Order, Payment, Subscription
from generation.models import Generation

MOST_FOUND: Final = 20
NEWEST: Final = 10
LEAST_LETTERS: Final = 2
"""Of a name or an address: whoever types one letter looks for nobody yet."""

_AT_STRIPE: Final[dict[str, Callable[[str], QuerySet[Customer | Order | Payment | Subscription]]]] = {
    "cus_": lambda id: Customer.objects.filter(stripe_customer_id=id),
    "sub_": lambda id: Subscription.objects.filter(stripe_subscription_id=id),
    "pi_": lambda id: Payment.objects.filter(stripe_payment_intent_id=id),
    "in_": lambda id: Payment.objects.filter(stripe_invoice_id=id),
    "cs_": lambda id: Order.objects.filter(stripe_session_id=id),
}
"""How an id at Stripe begins → the rows that have it, each with a ``workspace``."""


def find(wanted: str) -> list[Workspace]:
    """Return the workspaces that ``wanted`` stands for, ``MOST_FOUND`` at most, those of people first."""
    text = wanted.replace("\x00", "").strip()
    rows = Workspace.objects.prefetch_related(whose.owners())
    return list(rows.filter(id__in=_ids(text)).order_by("kind", "name", "id")[:MOST_FOUND])


def person_at(wanted: str) -> User | None:
    """Return whose address it is, letter for letter but for their case."""
    text = wanted.replace("\x00", "").strip()
    return User.objects.filter(is_address(text)).first() if "@" in text else None


def newest() -> list[Workspace]:
    """Return the workspaces of those who signed up last, the latest first."""
    people = User.objects.order_by("-id")[:NEWEST]
    rows = Workspace.objects.filter(id__in=_of_users(people)).prefetch_related(whose.owners())
    return list(rows.order_by("-created_at", "id")[:NEWEST])


def _ids(text: str) -> Iterable[UUID]:
    try:
        return _with_id(UUID(text))
    except ValueError:
        pass
    at_stripe = next((rows for start, rows in _AT_STRIPE.items() if text.startswith(start)), None)
    if at_stripe is not None:
        return set(at_stripe(text).values_list("workspace", flat=True)[:MOST_FOUND])
    if text.isdecimal() and len(text) < 18:
        return set(_of_users(User.objects.filter(id=int(text))))
    return _called(text) if len(text) >= LEAST_LETTERS else set()


def _with_id(wanted: UUID) -> set[UUID]:
    """Of a workspace, a visitor, a clip or an order."""
    found = {wanted}
    found.update(Visitor.objects.filter(id=wanted).values_list("workspace_id", flat=True))
    found.update(Generation.objects.filter(id=wanted).values_list("workspace_id", flat=True))
    found.update(Order.objects.filter(id=wanted).values_list("workspace", flat=True))
    return found


def _called(text: str) -> set[UUID]:
    """Whose address it is, and no other's; else whose address or name, or that of a team, begins so, or whose address
    is of such a domain, as ``example.org`` or ``@example.org``. The indexes that Django's ``istartswith`` uses are
    there."""
    if (person := person_at(text)) is not None:
        return set(_of_users(User.objects.filter(id=person.id)))
    rows = User.objects.all()
    begins = Q(email__istartswith=text) | Q(name__istartswith=text)
    if "." in text or text.startswith("@"):
        rows = rows.alias(domain=EMAIL_DOMAIN)
        begins |= Q(domain__istartswith=text.removeprefix("@"))
    people = rows.filter(begins).order_by("id")[:MOST_FOUND]
    teams = Workspace.objects.filter(name__istartswith=text).order_by("id").values_list("id", flat=True)
    return {*_of_users(people), *teams[:MOST_FOUND]}


def _of_users(people: QuerySet[User]) -> QuerySet[Membership, UUID]:
    ids = list(people.values_list("id", flat=True))
    return Membership.objects.filter(user__in=ids).values_list("workspace_id", flat=True)[: 2 * MOST_FOUND]
