"""Two workspaces with a row in every table that carries one, and what the database says of those tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import api_keys, invitations
from accounts.models import ApiKey, Ban, Membership, User, Visitor, Workspace
from accounts.roles import BY_ROLE, Role
from billing import ledger
from billing.models import Proposal
from billing.shop.models import (
    Budget,
    Customer,
    Mismatch,
    Order,
    Payment,
    Price,
    Reconciliation,
    StripeEvent,
    Subscription,
)
from generation.boards.models import Board
from generation.characters.models import Character
from generation.drafts.models import Draft
from generation.models import Generation, NotificationRequest, Upload
from generation.moderation.models import Policy, RefusalCount, Review
from generation.notices.models import Notice
from generation.provider_keys.models import KeyedClip, ProviderKey
from generation.settlement import settle
from generation.sharing.models import Share
from generation.storyboards.models import Sequel, Storyboard
from generation.webhooks.models import Delivery, Endpoint
from loremotion.outbox.models import MailMessage
from tests.accounts import factories
from tests.generation import factories as generations

CARRIERS = """
WITH RECURSIVE carrier (id) AS (
    SELECT oid::bigint FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND (
        relname IN ('accounts_workspace', 'ledger_account') OR EXISTS (
            SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
                AND (attname ~ '^(workspace|purse|tenant)(_id)?$'
                    OR attname = 'account_id' AND atttypid = 'uuid'::regtype)
        )
    )
    UNION SELECT conrelid::bigint FROM pg_constraint JOIN carrier ON confrelid = carrier.id WHERE contype = 'f'
)
SELECT relname FROM pg_class JOIN carrier ON carrier.id = pg_class.oid ORDER BY relname
"""
"""Tables that name a workspace or account of the ledger, or a row of a table that does, by however many steps."""

READ_ONLY = {
    *("ledger_account", "ledger_lot", "ledger_transaction", "ledger_entry", "ledger_hold"),
    "generation_spentday",
}
"""Functions and triggers alone write into these."""
FILLED = {
    *("accounts_workspace", "accounts_membership", "accounts_visitor", "accounts_invitation", "accounts_apikey"),
    *("accounts_auditentry", "generation_generation", "generation_clip", "sharing_share"),
    *("boards_board", "boards_boardclip", "drafts_draft"),
    *("provider_keys_providerkey", "provider_keys_keyedclip"),
    *("storyboards_storyboard", "storyboards_scene", "storyboards_sequel"),
    "characters_character",
    *READ_ONLY,
    *("shop_customer", "shop_order", "shop_subscription", "shop_payment", "shop_budget"),
    *("outbox_endpoint", "outbox_delivery", "outbox_letter"),
}
"""In these, both tenants of the tests have rows."""
OF_THE_SITE = ("accounts_ban", "billing_proposal", "shop_mismatch", "shop_reconciliation", "shop_stripeevent")
"""They concern every workspace, and no request sees them."""


@dataclass
class Tenant:
    workspace: Workspace
    owner: User
    generation: Generation
    key: ApiKey
    browser: Client
    program: Client

    @property
    def marks(self) -> tuple[str, ...]:
        """What must not be read in another's rows."""
        return str(self.workspace.id), self.workspace.name, str(self.generation.id)


def tenant(name: str) -> Tenant:
    """A team called ``name`` that has made a clip, paid, and left a trace wherever one can be left."""
    owner = factories.person(f"owner@{name}.example")
    workspace = factories.team(owner, name)
    ledger.grant(account=workspace.id, reference=f"test:{workspace.id}", amount=500, kind=ledger.LotKind.PACK)
    generation = generations.submitted(workspace, f"the prompt of {name}")
    generations.deliver_clip(generation)
    settle.settle(generations.report(generation))
    place = Membership.objects.get(workspace=workspace)
    invitations.invite(workspace=workspace, by=place, email=f"guest@{name}.example", role="viewer")
    key, text = api_keys.issue(
        workspace=workspace, by=owner, allowed=BY_ROLE[Role.OWNER], name=name, scopes=["read", "generate"]
    )
    visitor = Visitor.objects.create(workspace=workspace)  # no real team has one, but the table carries a workspace too
    Ban.objects.create(visitor=visitor, reason="test")
    Proposal.objects.create(
        id=uuid4(), kind=Proposal.Kind.ADJUST, account=workspace.id, amount=1, reason="test", proposed_by=owner.id,
        proposed_by_name=name, expires_at=timezone.now(),
    )  # fmt: skip
    _shop(workspace, name)
    _outbox(workspace, owner, name)
    Upload.objects.create(key=f"inputs/{name}", generation=generation)
    NotificationRequest.objects.create(generation=generation, user=owner)
    Share.objects.create(clip=generation.clip)
    own_key = ProviderKey.objects.create(workspace=workspace, account="google", title=name, pair="0", sealed=name)
    KeyedClip.objects.create(generation=generation, key=own_key)
    Draft.objects.create(generation=generation, final_preset="standard", final_steps=8)
    Character.objects.create(workspace=workspace, name=name, keys=[], preview=b"")
    Storyboard.objects.create(workspace=workspace, title=name, model="toy").scenes.create(position=1, clip=generation)
    Sequel.objects.create(generation=generation, after=generation)
    Board.objects.create(workspace=workspace, title=name).places.create(generation=generation)
    Review.objects.create(workspace=workspace, digest=name, prompt=name, outcome=1, category="sexual", words=[name])
    RefusalCount.objects.create(workspace=workspace, day=timezone.now().date(), category="sexual", count=1)
    Policy.objects.create(workspace=workspace, strictness="standard", reason="test")
    Notice.objects.create(workspace=workspace, clip_id=generation.id, address=name, category="other", statement=name)
    browser, program = factories.browser_of(owner, workspace), Client(headers={"Authorization": f"Bearer {text}"})
    return Tenant(workspace, owner, generation, key, browser, program)


def _shop(workspace: Workspace, name: str) -> None:
    now = timezone.now()
    pack = Price.objects.filter(pack__isnull=False)[0]
    plan = Price.objects.filter(plan__isnull=False)[0]
    owned: dict[str, Any] = {"workspace": workspace.id, "account": workspace.id}
    Customer.objects.create(workspace=workspace.id, stripe_customer_id=f"cus_{name}")
    Budget.objects.create(workspace=workspace.id)
    order = Order.objects.create(price=pack, credits=pack.credits, **owned)
    Subscription.objects.create(
        price=plan,
        stripe_subscription_id=f"sub_{name}",
        status="active",
        period_start=now,
        period_end=now + timedelta(days=30),
        **owned,
    )
    Payment.objects.create(
        source=f"order:{order.id}", order=order, price=pack, credits=5, amount_minor=5, currency="usd", paid_at=now,
        **owned,
    )  # fmt: skip
    StripeEvent.objects.create(event_id=f"evt_{uuid4()}", type="invoice.paid", object_id="in_1", body=name)
    comparison = Reconciliation.objects.create(kind="books")
    Mismatch.objects.create(reconciliation=comparison, subject=name, detail="")


def _outbox(workspace: Workspace, owner: User, name: str) -> None:
    now = timezone.now()
    endpoint = Endpoint.objects.create(
        workspace=workspace, name=name, url=f"https://{name}.example/", event_types=["video.completed"]
    )
    Delivery.objects.create(endpoint=endpoint, event_id=f"evt_{name}", video_id=uuid4(), expires_at=now)
    MailMessage.objects.create(workspace=workspace, user=owner, about=uuid4(), occasion=name, expires_at=now)


def carriers() -> list[str]:
    """Every table of this database that carries a workspace, found in its own catalogue."""
    with connection.cursor() as cursor:
        cursor.execute(CARRIERS)
        return [table for (table,) in cursor.fetchall()]


def rows(table: str) -> set[str]:
    """Everything in a table that the present sight shows, by raw SQL without a filter."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT to_jsonb(it)::text FROM {table} it")  # noqa: S608 - a table's name
        return {row for (row,) in cursor.fetchall()}
