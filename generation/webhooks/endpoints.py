"""What can be done to a webhook endpoint: make, change, rotate, switch, test, send again, delete."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.humanize.templatetags.humanize import intcomma
from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import audit
from accounts.models import Workspace
from generation.webhooks import deliveries, signing
from generation.webhooks.deliveries import Outcome
from generation.webhooks.models import Delivery, Endpoint
from generation.webhooks.video_events import TRIED_FOR, TYPES
from loremotion import outbound
from loremotion.outbox import sending
from loremotion.outbox.models import State
from loremotion.refusals import Conflict, Invalid
from loremotion.stream_limits import StreamLimit

ROTATION_OVERLAP = timedelta(hours=24)
MOST_ENDPOINTS = 20
LONGEST_URL = 500
MOST_TESTS_AT_ONCE = 4
"""That wait for a workspace's own servers, each for a quarter of a minute at most and in a place of this process."""
_tests = StreamLimit(gettext_lazy("webhook tests"))


def create(
    *, workspace: Workspace, actor: str, name: str, url: str, event_types: Iterable[str], is_enabled: bool = True
) -> tuple[Endpoint, str]:
    """Make an endpoint. Returns it with its secret, which is shown this once. Nothing is sent until it is enabled.

    Raises:
        Invalid: no address that may be called, or no event that there is.
        Conflict: the workspace has as many endpoints as it may.
    """
    checked = _checked_types(event_types)
    url = _checked_url(url)
    secret = signing.new_secret()
    with transaction.atomic():
        Workspace.objects.select_for_update(no_key=True).get(id=workspace.id)
        if Endpoint.objects.of(workspace).count() >= MOST_ENDPOINTS:
            raise Conflict(
                "too_many_endpoints",
                _("You already have %(most)s endpoints, the limit.") % {"most": MOST_ENDPOINTS},
                next_step=_("Delete one first."),
            )
        endpoint = Endpoint.objects.create(
            workspace=workspace,
            name=_checked_name(name),
            url=url,
            event_types=checked,
            sealed_secret=signing.seal(secret),
            secret_hint=signing.hint(secret),
            disabled_at=None if is_enabled else timezone.now(),
        )
        audit.record(workspace, "webhook.created", actor=actor, subject=url, events=checked, enabled=is_enabled)
    return endpoint, secret


def change(endpoint: Endpoint, *, actor: str, **wanted: Any) -> Endpoint:
    """Change ``name``, ``url`` or ``event_types``; what is not named stays.

    Raises:
        Invalid: as ``create``.
    """
    check = {"name": _checked_name, "url": _checked_url, "event_types": _checked_types}
    changes: dict[str, Any] = {field: check[field](value) for field, value in wanted.items()}
    with transaction.atomic():
        Endpoint.objects.filter(id=endpoint.id).update(**changes, updated_at=timezone.now())
        audit.record(endpoint.workspace, "webhook.changed", actor=actor, subject=endpoint.url, **changes)
    endpoint.refresh_from_db()
    return endpoint


def rotate(endpoint: Endpoint, *, actor: str, keeps_old: bool = True) -> str:
    """Make a new secret, shown this once. For a day the old one signs beside it, unless it has leaked."""
    secret = signing.new_secret()
    now = timezone.now()
    with transaction.atomic():
        old = Endpoint.objects.select_for_update().get(id=endpoint.id)
        Endpoint.objects.filter(id=endpoint.id).update(
            sealed_secret=signing.seal(secret),
            secret_hint=signing.hint(secret),
            old_sealed_secret=old.sealed_secret if keeps_old and _is_readable(old.sealed_secret) else "",
            old_secret_until=now + ROTATION_OVERLAP if keeps_old else None,
            updated_at=now,
        )
        audit.record(endpoint.workspace, "webhook.rotated", actor=actor, subject=endpoint.url, keeps_old=keeps_old)
    endpoint.refresh_from_db()
    return secret


def disable(endpoint: Endpoint, *, actor: str) -> None:
    """Disable the endpoint: what happens until it is enabled is not sent later either."""
    deliveries.disable(endpoint, because="", actor=actor)


def enable(endpoint: Endpoint, *, actor: str) -> None:
    """Enable the endpoint and forget its failures.

    Raises:
        Invalid: its address may not be called any more.
    """
    outbound.target_of(endpoint.url)
    now = timezone.now()
    with transaction.atomic():
        disabled = Endpoint.objects.filter(id=endpoint.id, disabled_at__isnull=False)
        fresh: dict[str, Any] = {"failures": 0, "failing_since": None, "resumes_at": now, "updated_at": now}
        if disabled.update(disabled_at=None, disabled_because="", **fresh):
            audit.record(endpoint.workspace, "webhook.enabled", actor=actor, subject=endpoint.url)


def delete(endpoint: Endpoint, *, actor: str) -> None:
    """Delete the endpoint with the record of what was sent to it."""
    with transaction.atomic():
        locked = Endpoint.objects.select_for_update().filter(id=endpoint.id).first()  # after who is writing to it
        if locked is not None and locked.delete()[0]:
            audit.record(endpoint.workspace, "webhook.deleted", actor=actor, subject=endpoint.url)


def try_out(endpoint: Endpoint, *, event_type: str) -> Outcome:
    """Post a made-up event at once and say how that went. It is tried once, and a failure has no consequences.

    Raises:
        Invalid: there is no such event.
        TooMany: so many of the workspace's wait for an answer already.
    """
    event_type = _checked_types([event_type])[0]
    slot = _tests.take(endpoint.workspace_id, most=MOST_TESTS_AT_ONCE)
    try:
        return _tried_out(endpoint, event_type)
    finally:
        slot.release()


def _tried_out(endpoint: Endpoint, event_type: str) -> Outcome:
    now = timezone.now()
    delivery = Delivery.objects.create(
        endpoint=endpoint,
        event_id=f"evt_test_{uuid.uuid4().hex}",
        event_type=event_type,
        video_id=uuid.uuid4(),
        is_test=True,
        attempts=1,
        due_at=now + sending.LEASE,
        expires_at=now + sending.LEASE,
    )
    with translation.override(settings.LANGUAGE_CODE):  # what is kept is everybody's
        outcome = deliveries.attempt(delivery, endpoint)
    with transaction.atomic():
        state = State.DEAD if outcome.error else State.SENT
        sending.end(delivery, state, last_error=outcome.error[:500], **deliveries.as_columns(outcome))
        if not outcome.error:
            deliveries.note_success(endpoint)
    return outcome


def redeliver(delivery: Delivery) -> None:
    """Send a delivery again, whatever became of it, under the same event id.

    Raises:
        Conflict: its endpoint is disabled.
    """
    if not delivery.endpoint.is_enabled:
        raise Conflict("endpoint_disabled", _("This endpoint is disabled."), next_step=_("Enable it first."))
    now = timezone.now()
    Delivery.objects.filter(id=delivery.pk).update(
        state=State.WAITING, attempts=0, due_at=now, expires_at=now + TRIED_FOR, ended_at=None, last_error=""
    )
    transaction.on_commit(lambda: sending.enqueue(Delivery, [(delivery.pk, 0)]), robust=True)


def recent(endpoint: Endpoint, *, count: int) -> list[Delivery]:
    """The latest deliveries, newest first."""
    return list(Delivery.objects.filter(endpoint=endpoint).order_by("-id")[:count])


def latest(endpoints: Sequence[Endpoint], *, count: int) -> dict[uuid.UUID, list[Delivery]]:
    """The latest deliveries of each of them, newest first. One query, which reads no more than it returns."""
    found: dict[uuid.UUID, list[Delivery]] = {endpoint.id: [] for endpoint in endpoints}
    newest = """
        SELECT delivery.* FROM unnest(%s::uuid[]) AS own(id) CROSS JOIN LATERAL (
            SELECT * FROM outbox_delivery WHERE endpoint_id = own.id ORDER BY id DESC LIMIT %s
        ) AS delivery ORDER BY delivery.id DESC
    """
    for delivery in Delivery.objects.raw(newest, [list(found), count]):
        found[delivery.endpoint_id].append(delivery)
    return found


def _checked_url(url: str) -> str:
    if len(url) > LONGEST_URL:
        raise Invalid(
            "invalid_url",
            _("A URL can have at most %(most)s characters.") % {"most": intcomma(LONGEST_URL)},
            field="url",
        )
    outbound.target_of(url)
    return url.strip()


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > 80:
        raise Invalid("invalid_name", _("A name needs 1 to 80 characters."), field="name")
    return name


def _checked_types(event_types: Iterable[str]) -> list[str]:
    wanted = set(event_types)
    if not wanted or not wanted <= set(TYPES):
        raise Invalid(
            "invalid_event_types",
            _("The events are: %(types)s.") % {"types": ", ".join(TYPES)},
            next_step=_("Choose at least one."),
            field="event_types",
        )
    return [kind for kind in TYPES if kind in wanted]


def _is_readable(sealed: str) -> bool:
    try:
        signing.unseal(sealed)
    except signing.Unreadable:
        return False
    return True
