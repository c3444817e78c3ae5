"""A database of the release before goes on under this one: no row lost, no table rewritten, nobody's rights gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from accounts.models import Invitation, User
from billing.shop.models import StripeEvent, Subscription
from generation.models import NotificationRequest
from generation.webhooks import signing
from generation.webhooks.models import Delivery, Endpoint
from loremotion.outbox import mail as outbox_mail
from loremotion.outbox.models import MailMessage
from tests.accounts import factories as people
from tests.generation import factories as generations
from tests.row_security import tenants
from tests.shop.test_notices import late

pytestmark = pytest.mark.django_db(transaction=True)

TABLES = (
    "outbox_endpoint",
    "outbox_delivery",
    "outbox_letter",
    "outbox_wish",
    "shop_stripeevent",
    "accounts_invitation",
)
OLD_KINDS = {
    "invitation": "accounts.invitations.offer_content",
    "payment_failed": "billing.shop.notices.payment_failed_content",
    "low_balance": "billing.shop.notices.low_balance_content",
    "clip_ended": "generation.settlement.notifications.clip_ended_content",
    "endpoint_disabled": "generation.webhooks.letters.endpoint_disabled_content",
}


VIEWED = {
    ("outbox", "letter"): "outbox.view_mailmessage",
    ("outbox", "wish"): "generation.view_notificationrequest",
    ("outbox", "endpoint"): "webhooks.view_endpoint",
    ("outbox", "delivery"): "webhooks.view_delivery",
}
"""Model of the release before → the right to see what it has become."""


@pytest.fixture
def upgraded() -> Iterator[None]:
    """Whatever a test does, the database ends in today's shape."""
    yield
    call_command("migrate", verbosity=0)


def go_back() -> None:
    """To the leaves of the graph at the release before; every later migration hangs on this one."""
    call_command("migrate", "outbox", "0005", verbosity=0)


def rows(table: str) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT to_jsonb(it)::text FROM {table} it ORDER BY id::text")  # noqa: S608 - a table's name
        return [json.loads(row) for (row,) in cursor.fetchall()]


def shape() -> dict[str, set[tuple[Any, ...]]]:
    """What PostgreSQL says of the tables: the files that they lie in, and what stands guard over them."""
    questions = {
        "files": "SELECT relname, relfilenode FROM pg_class WHERE relname = ANY(%s)",
        "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE tablename = ANY(%s)",
        "policies": "SELECT tablename, policyname, cmd, qual, with_check FROM pg_policies WHERE tablename = ANY(%s)",
        "walls": "SELECT relname, relrowsecurity FROM pg_class WHERE relname = ANY(%s)",
        "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid::regclass::text = ANY(%s)",
    }
    with connection.cursor() as cursor:
        found = {}
        for name, question in questions.items():
            cursor.execute(question, [list(TABLES)])
            found[name] = set(cursor.fetchall())
        return found


def insert(table: str, **values: Any) -> None:
    with connection.cursor() as cursor:
        columns, marks = ", ".join(values), ", ".join(["%s"] * len(values))
        cursor.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", list(values.values()))  # noqa: S608


def letter(**values: Any) -> dict[str, Any]:
    """A row of ``outbox_letter`` as the release before wrote it."""
    now = timezone.now()
    more = {"state": "waiting", "attempts": 0, "due_at": now, "created_at": now, "last_error": "", "address": ""}
    return {**more, "expires_at": now + outbox_mail.TRIED_FOR, **values}


def test_every_row_and_guard_is_what_it_was_and_what_was_noted_is_written_once(alice: User, upgraded: None) -> None:
    """And staff keeps its rights. One way back and forth for all of it, since each takes a good part of a minute."""
    generations.model()
    tenant = tenants.tenant("studio")
    sealed = signing.seal("whsec_a-secret")
    Endpoint.objects.update(sealed_secret=sealed)
    MailMessage.objects.all().delete()
    team = people.team(alice, "Team")
    subscription = late(team)
    staff = User.objects.create_user("staff@site.test", "a-password", is_staff=True)
    go_back()
    for app, model in VIEWED:
        right = Permission.objects.get(content_type__app_label=app, codename=f"view_{model}")
        staff.user_permissions.add(right)
    workspace = str(tenant.workspace.id)
    for kind in OLD_KINDS:
        insert(
            "outbox_letter",
            **letter(workspace_id=workspace, user_id=alice.id, kind=kind, about=workspace, occasion="x"),
        )
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_invitation SET is_told = true")
    now = timezone.now()
    for address, is_told in (("told@example.org", True), ("untold@example.org", False)):
        insert(
            "accounts_invitation", workspace_id=str(team.id), email=address, role="member", invited_by_id=alice.id,
            token_digest=address, created_at=now, sent_at=now, expires_at=now, is_told=is_told,
        )  # fmt: skip
    before, shape_before = {table: rows(table) for table in TABLES}, shape()
    assert all(before.values())

    call_command("migrate", verbosity=0)

    for row in before["outbox_letter"]:
        row.update(kind=OLD_KINDS[row["kind"]], sealed="", language="")
    for table in ("outbox_letter", "outbox_delivery", "shop_stripeevent"):
        for row in before[table]:
            row.update(request_id="")
    for row in before["outbox_delivery"]:
        row.update(data=None)
    written = MailMessage.objects.exclude(id__in=[row["id"] for row in before["outbox_letter"]]).order_by("content")
    new = {mail_message.pk for mail_message in written}
    after = {table: rows(table) for table in TABLES}
    after["outbox_letter"] = [row for row in after["outbox_letter"] if row["id"] not in new]
    assert after == before
    gone = {"invitation_untold", "outbox_letter_workspace_id_not_null", "outbox_delivery_video_id_not_null"}
    shape_after = shape()
    known = {row[1] for row in shape_before["indexes"]}
    shape_after["indexes"] = {row for row in shape_after["indexes"] if row[1] in known}  # later releases add others
    for column in ("sealed", "language"):
        shape_after["constraints"].remove(("outbox_letter", f"outbox_letter_{column}_not_null", f"NOT NULL {column}"))
    for table in ("outbox_letter", "outbox_delivery", "shop_stripeevent"):
        shape_after["constraints"].remove((table, f"{table}_request_id_not_null", "NOT NULL request_id"))
    assert shape_after == {name: {row for row in said if row[1] not in gone} for name, said in shape_before.items()}
    assert signing.unseal(Endpoint.objects.get().sealed_secret) == "whsec_a-secret"
    assert (Delivery.objects.count(), NotificationRequest.objects.count(), StripeEvent.objects.count()) == (1, 1, 1)
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)

    assert User.objects.get(id=staff.id).get_all_permissions() == set(VIEWED.values())
    assert not Permission.objects.filter(codename__in=["view_letter", "view_wish"]).exists()

    invited, warned = written
    untold = Invitation.objects.get(email="untold@example.org")
    assert (invited.address, invited.occasion) == (untold.email, f"{untold.id}.{untold.sent_at.timestamp()}")
    assert outbox_mail.send(warned.pk)
    assert [message.subject for message in mail.outbox] == ["Your payment for Creator failed"]
    assert Subscription.objects.get(id=subscription.id).dunned_attempts == 1


def test_an_invitation_of_this_release_has_its_mail_for_the_release_before(alice: User) -> None:
    generations.model()
    tenants.tenant("studio")
    assert [row["is_told"] for row in rows("accounts_invitation")] == [True]


def test_mail_that_the_release_before_writes_meanwhile_is_sent(alice: User) -> None:
    studio = people.team(alice, "Studio")
    late(studio)
    of_before = letter(
        workspace_id=str(studio.id), user_id=alice.id, kind="payment_failed", about=str(studio.id), occasion="x"
    )
    insert("outbox_letter", **of_before)
    assert outbox_mail.send(MailMessage.objects.get().pk)


def test_going_back_letters_to_an_address_go_when_there_is_no_column_for_it(alice: User, upgraded: None) -> None:
    place = people.team(alice, "Studio")
    written = {"workspace": place, "about": place.id, "expires_at": timezone.now()}
    content = OLD_KINDS["low_balance"]
    MailMessage.objects.create(**written, content=content, address="books@example.org", occasion="to an address")
    MailMessage.objects.create(**written, content=content, user=alice, occasion="to somebody")
    call_command("migrate", "outbox", "0003", verbosity=0)
    call_command("migrate", verbosity=0)
    assert MailMessage.objects.get().occasion == "to somebody"
