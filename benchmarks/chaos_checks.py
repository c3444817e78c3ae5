"""What must be true of the site of ``benchmarks.chaos`` once it is quiet again, asked of its own rows and files.

Inside one process with the site's settings. Each check returns what is wrong, in words; nothing is right by default: a
check also counts what it looked at.
"""

from __future__ import annotations

import io
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from benchmarks.chaos_people import Acknowledged
from tests.fake_stripe.process import FakeStripeProcess
from tests.webhooks.receiver import Heard

SHOWN: Final = 5
SUCCEEDED, CANCELLED = "succeeded", "cancelled"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: how much it looked at, and what is wrong."""

    name: str
    looked_at: int
    wrong: list[str]


@dataclass(frozen=True, slots=True)
class Story:
    """What the people of the story know, beside what the site's tables say."""

    said: Acknowledged
    stripe: FakeStripeProcess
    heard: list[Heard]
    media: Path
    mail: Path


Check = Callable[[Story], tuple[int, Iterable[str]]]


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


# --- clips ------------------------------------------------------------------------------------------------------------


def acknowledged_clips_are_there(story: Story) -> tuple[int, Iterable[str]]:
    from generation.models import Generation

    there = {str(key) for key in Generation.objects.filter(id__in=list(story.said.clips)).values_list("id", flat=True)}
    return len(story.said.clips), [
        f"{one}, of {who}, is lost" for one, who in story.said.clips.items() if one not in there
    ]


def every_clip_has_ended(story: Story) -> tuple[int, Iterable[str]]:
    from generation.models import Generation

    rows = Generation.objects.values_list("id", "state", "attempt", "error_code")
    ended = {SUCCEEDED, "failed", CANCELLED, "blocked"}
    return len(rows), [
        f"{key} is {state} after {attempt} attempts {code}" for key, state, attempt, code in rows if state not in ended
    ]


def what_was_asked_once_is_made_once(story: Story) -> tuple[int, Iterable[str]]:
    from generation.models import Generation

    names = Counter(Generation.objects.exclude(user_ref="").values_list("user_ref", flat=True))
    return len(names), [f"{name} was made {count} times" for name, count in names.items() if count > 1]


def no_clip_fails_for_what_befell_the_site(story: Story) -> tuple[int, Iterable[str]]:
    """A clip may be given up after three attempts, and that is all."""
    from generation.models import Generation

    failed = Generation.objects.filter(state="failed").values_list("id", "error_code", "error_message", "attempt")
    return len(failed), [f"{key} failed: {code} {said}" for key, code, said, attempt in failed if attempt < 3]


def every_clip_has_its_file_and_plays(story: Story) -> tuple[int, Iterable[str]]:
    import hashlib

    import av
    from django.core.files.storage import default_storage

    from generation.models import Clip

    wrong, clips = [], list(Clip.objects.filter(generation__state=SUCCEEDED, generation__deleted_at=None))
    for clip in clips:
        if not default_storage.exists(clip.key):
            wrong.append(f"{clip.key} is not there")
            continue
        with default_storage.open(clip.key) as file:
            content = file.read()
        if hashlib.sha256(content).hexdigest() != clip.served_sha256 or len(content) != clip.size_bytes:
            wrong.append(f"{clip.key} is another file than its row says")
            continue
        with av.open(io.BytesIO(content)) as container:
            frames = sum(1 for _ in container.decode(video=0))
        if frames != clip.num_frames:
            wrong.append(f"{clip.key} plays {frames} frames of {clip.num_frames}")
        if not default_storage.exists(clip.poster_key):
            wrong.append(f"{clip.poster_key} is not there")
    return len(clips), wrong


def every_succeeded_clip_has_a_row_of_its_file(story: Story) -> tuple[int, Iterable[str]]:
    from generation.models import Generation

    made = Generation.objects.filter(state=SUCCEEDED, deleted_at=None)
    return made.count(), [f"{key} has no clip" for key in made.filter(clip=None).values_list("id", flat=True)]


def no_file_is_left_that_nobody_knows(story: Story) -> tuple[int, Iterable[str]]:
    """After the sweeps have looked at each, as if it had lain there for a while."""
    from generation.models import Clip, Upload
    from generation.storage import leftovers, retention
    from generation.storage.store import LEFT_AFTER_SECONDS

    long_ago = time.time() - 2 * LEFT_AFTER_SECONDS
    files = [path for path in story.media.rglob("*") if path.is_file()]
    for path in files:
        os.utime(path, (long_ago, long_ago))
    for _ in range(2 + len(list((story.media / "clips").glob("*"))) // 25):
        leftovers.sweep_leftovers()
        retention.sweep_uploads()
    known = {key.partition("/")[2].partition("/")[0] for key in map(lambda clip: clip.key, Clip.objects.all())}
    uploads = set(Upload.objects.values_list("key", flat=True))
    left = [path.relative_to(story.media) for path in files if path.exists()]
    wrong = [
        f"{path} belongs to nothing"
        for path in left
        if not (path.parts[0] == "clips" and path.parts[1] in known) and str(path) not in uploads
    ]
    return len(files), wrong


# --- credits ----------------------------------------------------------------------------------------------------------


def each_clip_has_one_hold_that_says_how_it_ended(story: Story) -> tuple[int, Iterable[str]]:
    from billing.models import Hold
    from generation.models import Generation

    holds = {hold.id: hold for hold in Hold.objects.all()}
    wrong, rows = [], list(Generation.objects.values_list("id", "state", "quote"))
    for key, state, quote in rows:
        hold = holds.pop(key, None)
        if hold is None:
            wrong.append(f"{key} has no hold")
            continue
        is_right = {
            SUCCEEDED: hold.captured == hold.amount == quote["credits"],
            CANCELLED: hold.captured + hold.released == hold.amount,
        }.get(state, hold.released == hold.amount)
        if hold.state == Hold.State.OPEN or not is_right:
            wrong.append(
                f"{key} {state}: quoted {quote['credits']}, {hold.captured} of {hold.amount} taken, {hold.state}"
            )
    wrong += [f"hold {key} is for no clip: {hold.captured} taken" for key, hold in holds.items() if hold.captured]
    return len(rows), wrong


def the_ledger_is_sound(story: Story) -> tuple[int, Iterable[str]]:
    from billing import ledger
    from billing.statements import totals

    return totals().entries, [
        f"{one.rule}: {one.subject} of {one.account} ({one.detail})" for one in ledger.violations()
    ]


def gifts_were_given_once(story: Story) -> tuple[int, Iterable[str]]:
    """What staff was told is given, is; and all that was given was given once."""
    from billing.models import Lot, Proposal

    wrong = []
    for reference, (workspace, credits) in story.said.gifts.items():
        proposal = Proposal.objects.filter(id=reference).first()
        if proposal is None or (proposal.account, proposal.amount, proposal.state) != (
            UUID(workspace),
            credits,
            "done",
        ):
            wrong.append(f"gift {reference} of {credits} to {workspace}: {proposal}")
    lots = Lot.objects.filter(kind="adjustment", parent=None)
    done = Proposal.objects.filter(state="done", amount__gt=0)
    given, proposed = sum(lots.values_list("issued", flat=True)), sum(done.values_list("amount", flat=True))
    if given != proposed:
        wrong.append(f"{proposed} credits were given by staff, and {given} are in the books")
    return len(story.said.gifts), wrong


def credits_say_what_stripe_says(story: Story) -> tuple[int, Iterable[str]]:
    """Counted anew from Stripe's own objects, after the nightly comparison has found what no webhook told."""
    from django.core.management import CommandError, call_command

    from billing.models import Lot
    from billing.shop.models import Payment

    wrong, heard = [], io.StringIO()
    try:
        with redirect_stdout(heard), redirect_stderr(heard):
            call_command("audit_ledger", "--stripe", stdout=heard, stderr=heard)
    except CommandError as problem:
        wrong.append(f"audit_ledger --stripe: {problem} {heard.getvalue()[-500:]}")
    charges = {one["payment_intent"]: one for one in story.stripe.objects("charge")}
    refunds, disputes = story.stripe.objects("refund"), story.stripe.objects("dispute")
    payments = {payment.stripe_payment_intent_id: payment for payment in Payment.objects.all()}
    for intent, charge in charges.items():
        payment = payments.pop(intent, None)
        if payment is None:
            if charge["status"] == "succeeded":
                wrong.append(f"{intent} was paid, and no credits came of it")
            continue
        back = sum(one["amount"] for one in refunds if one["payment_intent"] == intent and one["status"] != "failed")
        back += sum(
            one["amount"]
            for one in disputes
            if one["payment_intent"] == intent and one["status"] in ("needs_response", "lost")
        )
        taken = payment.credits * min(back, charge["amount"]) // charge["amount"]
        if (payment.clawed_credits, payment.amount_minor) != (taken, charge["amount"]):
            wrong.append(f"{intent}: {payment.clawed_credits} credits taken back instead of {taken}")
    wrong += [f"{intent} is no payment of Stripe's" for intent in payments if intent]
    sessions = {one["id"]: one for one in story.stripe.objects("checkout.session")}
    for session in story.said.paid:
        if sessions[session]["payment_status"] != "paid":
            wrong.append(f"{session} was paid and is {sessions[session]['payment_status']}")
    granted = sum(Lot.objects.filter(kind__in=["pack", "plan"], parent=None).values_list("issued", flat=True))
    sold = sum(Payment.objects.values_list("credits", flat=True))
    if granted != sold:
        wrong.append(f"{sold} credits were sold, and {granted} granted")
    return len(charges), wrong


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
    acknowledged_clips_are_there,
    every_clip_has_ended,
    what_was_asked_once_is_made_once,
    no_clip_fails_for_what_befell_the_site,
    every_succeeded_clip_has_a_row_of_its_file,
    every_clip_has_its_file_and_plays,
    each_clip_has_one_hold_that_says_how_it_ended,
    gifts_were_given_once,
    credits_say_what_stripe_says,
    the_ledger_is_sound,
    each_end_was_told_under_one_id,
    all_mail_was_sent,
    nothing_of_stripes_was_given_up,
    nothing_is_left_in_a_queue,
    no_gpu_host_was_refused_what_it_needs,
    no_file_is_left_that_nobody_knows,
)


def ask_all(story: Story) -> list[Finding]:
    findings = []
    for check in CHECKS:
        looked_at, wrong = check(story)
        findings.append(Finding(check.__name__.replace("_", " "), looked_at, list(wrong)))
    return findings
