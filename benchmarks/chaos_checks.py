"""What must be true of the site of ``benchmarks.chaos`` once it is quiet again, asked of its own rows and files.

Inside one process with the site's settings. Each check returns what is wrong, in words; nothing is right by default: a
check also counts what it looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from benchmarks import chaos_clip_checks as clips
from benchmarks import chaos_credit_checks as credits
from benchmarks.chaos_story import Check, Finding, Story


def what_is_open() -> dict[str, int]:
    """What the site still has to do, by what it is; nothing where all is quiet."""
    from billing.models import Hold
    from billing.shop.models import StripeEvent
    from generation.models import Clip, Generation
    from generation.webhooks.models import Delivery
    from loremotion.outbox.models import MailMessage, State

    found = {
        "clips": Generation.objects.open().count(),
        "holds": Hold.objects.filter(state=Hold.State.OPEN).count(),
        "events of Stripe": StripeEvent.objects.filter(state=StripeEvent.State.NEW).count(),
        "webhooks": Delivery.objects.filter(state=State.WAITING).count(),
        "mail": MailMessage.objects.filter(state=State.WAITING).count(),
        "signatures": Clip.objects.filter(sign_at__isnull=False).count(),
    }
    return {name: count for name, count in found.items() if count}


def skip_pauses() -> None:
    """Have tried at once what failed and pauses. The pauses are right, and hours long in the end."""
    from django.utils import timezone

    from billing.shop.models import StripeEvent
    from generation.webhooks.models import Delivery, Endpoint
    from loremotion.outbox.models import MailMessage, State
    from loremotion.outbox.sending import LEASE

    now = timezone.now()
    for kind in (Delivery, MailMessage):
        # What is claimed is left to its claimant: a claim is as long in the future as a lease lasts, and no longer.
        kind.objects.filter(state=State.WAITING, attempts__gt=0, due_at__gt=now + LEASE / 10).update(due_at=now)
    StripeEvent.objects.filter(state=StripeEvent.State.NEW, attempts__gt=0, due_at__gt=now).update(due_at=now)
    Endpoint.objects.filter(resumes_at__gt=now).update(resumes_at=now)


# --- what is told -----------------------------------------------------------------------------------------------------


def each_end_was_told_under_one_id(story: Story) -> tuple[int, Iterable[str]]:
    """To each endpoint at least once: the same id and the same words, however often."""
    import json

    from generation.models import Generation
    from generation.webhooks.models import Endpoint
    from generation.webhooks.video_events import TYPE_OF

    told: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    for request in story.heard:
        body = json.loads(request.body)
        headers = {name.lower(): value for name, value in request.headers.items()}
        told[request.path, body["data"]["id"]].add((headers["webhook-id"], body["type"]))
    wrong, count = [], 0
    for endpoint in Endpoint.objects.all():
        path = "/" + endpoint.url.split("/", 3)[3]
        if not endpoint.is_enabled:
            wrong.append(f"{endpoint} was disabled: {endpoint.disabled_because}")
        for key, state in Generation.objects.filter(workspace=endpoint.workspace_id).values_list("id", "state"):
            count += 1
            heard = told.pop((path, presented(key)), set())
            if heard != {(f"evt_{key.hex}", TYPE_OF.get(state, state))}:
                wrong.append(f"{key} is {state}, and {path} heard {sorted(heard)}")
    wrong += [f"{path} heard {sorted(heard)} of {video}, which is not theirs" for (path, video), heard in told.items()]
    return count, wrong


def presented(key: UUID) -> str:
    """A clip's id as programs see it."""
    return str(key)


def all_mail_was_sent(story: Story) -> tuple[int, Iterable[str]]:
    from loremotion.outbox.models import MailMessage, State

    rows = MailMessage.objects.values_list("id", "state", "content", "last_error")
    return len(rows), [
        f"mail {key} {content} is {state}: {said}" for key, state, content, said in rows if state != State.SENT
    ]


def nothing_of_stripes_was_given_up(story: Story) -> tuple[int, Iterable[str]]:
    from billing.shop.models import StripeEvent

    rows = StripeEvent.objects.values_list("event_id", "type", "state", "last_error")
    return len(rows), [f"{key} {kind} is {state}: {said}" for key, kind, state, said in rows if state != "done"]


def nothing_is_left_in_a_queue(story: Story) -> tuple[int, Iterable[str]]:
    """What somebody popped and died over is not counted: RQ clears that away within ten minutes, and the other checks
    say that nothing of it is wanting."""
    from loremotion.valkey import connection

    valkey: Any = connection()
    wrong = []
    lines = [
        key.decode() if isinstance(key, bytes) else key
        for key in valkey.keys("rq:queue:*")
        if b":intermediate" not in key
    ]
    for line in lines:
        if valkey.type(line) == b"list" and (left := valkey.llen(line)):
            wrong.append(f"{left} jobs lie in {line}: {valkey.lrange(line, 0, 2)}")
    return len(lines), wrong


WAITED_FOR: Final = "script|load"
"""What a GPU host's client tries where Valkey forgot a script, and may not: it waits until the beat has loaded it."""


def no_gpu_host_was_refused_what_it_needs(story: Story) -> tuple[int, Iterable[str]]:
    from loremotion.valkey import connection

    valkey: Any = connection()
    log = [one for one in valkey.acl_log() if one["object"] != WAITED_FOR]
    return len(log), [str(one) for one in log]


CHECKS: Final[tuple[Check, ...]] = (
    clips.acknowledged_clips_are_there,
    clips.every_clip_has_ended,
    clips.what_was_asked_once_is_made_once,
    clips.no_clip_fails_for_what_befell_the_site,
    clips.every_succeeded_clip_has_a_row_of_its_file,
    clips.every_clip_has_its_file_and_plays,
    credits.each_clip_has_one_hold_that_says_how_it_ended,
    credits.gifts_were_given_once,
    credits.credits_say_what_stripe_says,
    credits.the_ledger_is_sound,
    each_end_was_told_under_one_id,
    all_mail_was_sent,
    nothing_of_stripes_was_given_up,
    nothing_is_left_in_a_queue,
    no_gpu_host_was_refused_what_it_needs,
    clips.no_file_is_left_that_nobody_knows,
)


def ask_all(story: Story) -> list[Finding]:
    findings = []
    for check in CHECKS:
        looked_at, wrong = check(story)
        findings.append(Finding(check.__name__.replace("_", " "), looked_at, list(wrong)))
    return findings
