"""What each role of the staff may do in the admin: one table, checked against the groups and docs/roles.md by tests.

A role is a group of Django's. A migration makes them, and a superuser puts people into them; who is staff and in no
group sees nothing. Changing this table takes a migration that changes the groups, and that holds its part of the table
itself: one that read this one would make other groups on each site, by the day on which it ran there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

MEANING: Final = {
    "Support": "answers people: finds them, looks into their workspace, gives credits, reviews prompts, bans",
    "Finance": "answers for money: plans and prices, payments and refunds, credits, and Stripe",
    "Operations": "keeps the site running: GPU workers, clips that hang, queues, and what could not be sent",
    "Catalogue": "decides what can be made: models, prices of clips, aliases, and the clips on Explore",
}


def _may(models: str, *actions: str) -> Iterable[str]:
    """Django's own permissions on each of ``models``, "app.model app.model …"."""
    for model in models.split():
        app, _, name = model.partition(".")
        yield from (f"{app}.{action}_{name}" for action in actions)


_CUSTOMERS: Final = (
    *_may("accounts.workspace accounts.user accounts.auditentry billing.account billing.lot billing.hold", "view"),
    *_may("billing.proposal shop.payment shop.subscription shop.order shop.budget shop.plan shop.pack", "view"),
    *("shop.view_price", "billing.adjust_credits", "accounts.view_staff_acts"),
)
_CLIPS: Final = (
    *_may("generation.generation catalog.model catalog.alias", "view"),
    *("generation.view_fleet", "accounts.view_staff_acts"),
)

PERMISSIONS: Final[dict[str, frozenset[str]]] = {
    "Support": frozenset(
        [
            *_CUSTOMERS,
            *_CLIPS,
            *("accounts.look_into_workspace", "accounts.suspend_workspace"),
            *_may("accounts.ban", "view", "add", "change"),
            *("generation.cancel_generation", "generation.retry_generation"),
            *_may("notices.notice moderation.review sharing.share", "view", "change"),
            *_may("moderation.policy", "view", "add", "change"),
            *("provider_keys.view_providerkey", "provider_keys.remove_providerkey"),
            *_may("moderation.refusalcount outbox.mailmessage webhooks.endpoint webhooks.delivery", "view"),
        ]
    ),
    "Finance": frozenset(
        [
            *_CUSTOMERS,
            *("billing.decide_proposal", "shop.refund_payment", "shop.view_revenue"),
            *_may("shop.plan shop.pack shop.price", "add", "change"),
            *_may("shop.stripeevent", "view", "change"),
            *_may("shop.reconciliation", "view"),
        ]
    ),
    "Operations": frozenset(
        [
            *_CLIPS,
            *("generation.operate_fleet", "generation.view_system"),
            *("generation.cancel_generation", "generation.retry_generation"),
            *_may("shop.stripeevent", "view", "change"),
            *_may("outbox.mailmessage webhooks.endpoint webhooks.delivery", "view"),
            *("outbox.retry_mailmessage", "webhooks.retry_delivery"),
            "provider_keys.view_providerkey",
        ]
    ),
    "Catalogue": frozenset(
        [
            *_CLIPS,
            *_may("catalog.model catalog.alias", "add", "change"),
            "catalog.delete_alias",
            *_may("sharing.share", "view", "change"),
        ]
    ),
}
"""Role → permissions, ``app.codename``."""


def as_markdown() -> str:
    """The table as docs/roles.md has it."""
    lines = [f"| | {' | '.join(PERMISSIONS)} |", f"|---|{'---|' * len(PERMISSIONS)}"]
    for permission in sorted(frozenset().union(*PERMISSIONS.values())):
        cells = ["yes" if permission in held else "" for held in PERMISSIONS.values()]
        lines.append(f"| `{permission}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
