"""One event to one endpoint: signed, posted, written down; and what an endpoint's failures lead to.

An endpoint that fails is left alone for a while with everything that waits for it, so that a slow one costs the workers
one request a pause, however many events it has coming.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts import audit
from generation.webhooks import letters, reasons, signing, video_events
from generation.webhooks.models import Delivery, Endpoint
from loremotion import outbound
from loremotion.outbox import sending
from loremotion.outbox.models import State
from loremotion.refusals import Invalid

DISABLED_AFTER = timedelta(days=3)
FEWEST_FAILURES = 5
"""An endpoint is not disabled for fewer failures than this, however long ago the first was."""
GONE = 410


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt went. ``status`` and ``answer`` are the endpoint's, if it answered; ``error`` is empty if fine."""

    status: int | None = None
    answer: str = ""
    error: str = ""


def deliver(delivery_id: int) -> bool:
    """Try one delivery that is due. Returns whether it arrived."""
    return sending.work_on(Delivery, delivery_id, _deliver)


def _deliver(delivery: Delivery) -> bool:
    endpoint = Endpoint.objects.get(id=delivery.endpoint_id)
    if not endpoint.is_enabled:
        sending.end(delivery, State.DEAD, last_error=reasons.DISABLED)
        return False
    outcome = attempt(delivery, endpoint)
    with transaction.atomic():
        if outcome.error:
            sending.put_off(delivery, error=outcome.error, **as_columns(outcome))
            _note_failure(endpoint, is_gone=outcome.status == GONE)
        else:
            sending.end(delivery, State.SENT, last_error="", **as_columns(outcome))
            note_success(endpoint)
    return not outcome.error


def attempt(delivery: Delivery, endpoint: Endpoint) -> Outcome:
    """Post the event once. Writes nothing."""
    body = video_events.body(
        event_id=delivery.event_id,
        event_type=delivery.event_type,
        video_id=delivery.video_id,
        data=delivery.data,
        created_at=delivery.created_at,
    )
    try:
        signed = signing.headers(endpoint, event_id=delivery.event_id, body=body, now=timezone.now())
        headers = {"Content-Type": "application/json", "User-Agent": "LoreMotion-Webhooks/1", **signed}
        answer = outbound.post(endpoint.url, body=body.encode(), headers=headers)
    except (Invalid, outbound.Unreachable, signing.Unreadable) as failure:
        return Outcome(error=str(failure))
    return Outcome(answer.status, answer.text, "" if answer.is_fine else reasons.ANSWERED % {"status": answer.status})


def as_columns(outcome: Outcome) -> dict[str, Any]:
    """The values of the columns that keep an attempt."""
    return {"last_status": outcome.status, "last_answer": outcome.answer, "last_attempt_at": timezone.now()}


def note_success(endpoint: Endpoint) -> None:
    """Forget an endpoint's failures: what was kept back from it goes now."""
    failing = Endpoint.objects.filter(id=endpoint.id, failures__gt=0)
    now = timezone.now()
    if failing.update(failures=0, failing_since=None, resumes_at=now):
        _waiting_for(endpoint).filter(due_at__gt=now, attempts=0).update(due_at=now)


def _note_failure(endpoint: Endpoint, *, is_gone: bool) -> None:
    now = timezone.now()
    Endpoint.objects.filter(id=endpoint.id).update(
        failures=F("failures") + 1, failing_since=Coalesce("failing_since", now)
    )
    endpoint.refresh_from_db()
    fails_for_long = endpoint.failing_since is not None and now - endpoint.failing_since >= DISABLED_AFTER
    if is_gone or (fails_for_long and endpoint.failures >= FEWEST_FAILURES):
        because = reasons.GONE if is_gone else reasons.HAS_FAILED % {"days": DISABLED_AFTER.days}
        disable(endpoint, because=because, actor="LoreMotion")
        return
    resumes_at = now + sending.pause_after(endpoint.failures)
    Endpoint.objects.filter(id=endpoint.id).update(resumes_at=resumes_at)
    _waiting_for(endpoint).filter(due_at__lt=resumes_at).update(due_at=resumes_at)


@transaction.atomic
def disable(endpoint: Endpoint, *, because: str, actor: str) -> None:
    """Disable the endpoint: nothing is sent to it any more, and what waits never will be. Those who look after it get
    mail, unless a person did it. Twice is once."""
    now = timezone.now()
    if not Endpoint.objects.enabled().filter(id=endpoint.id).update(disabled_at=now, disabled_because=because):
        return
    _waiting_for(endpoint).update(state=State.DEAD, ended_at=now, last_error=reasons.DISABLED)
    audit.record(endpoint.workspace, "webhook.disabled", actor=actor, subject=endpoint.url[:254], because=because)
    if because:
        letters.write_endpoint_disabled(endpoint, occasion=f"{endpoint.id}:{int(now.timestamp())}")


def _waiting_for(endpoint: Endpoint) -> Any:
    return Delivery.objects.filter(endpoint=endpoint, state=State.WAITING)
