"""A month in the life of a site, in rows: customers, clips, payments, what waits for staff, and GPU workers that beat.

For looking at the admin with something in it (``tests.staff_site``, ``make screens``). Written through the services
where one does it; afterwards the clips' times are moved into the past.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import random
import sys
import tempfile
import time
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import django
from PIL import Image, ImageDraw

from tests.media_files import write_video

DAYS: Final = 30
CLIPS: Final = 120
WAITING: Final = 24
MODELS: Final = ("preview", "ltx-video-2b", "wan-2.1-1.3b", "wan-2.2-5b")
PEOPLE: Final = (
    ("ada@example.org", "Ada Lovelace", "studio"),
    ("grace@example.org", "Grace Hopper", "creator"),
    ("wolfeschlegelsteinhausenbergerdorff@a-very-long-domain-name.example.org", "Hubert Wolfeschlegelstein", ""),
    ("edsger@example.org", "Edsger Dijkstra", ""),
)
PROMPTS: Final = ("a red circle moving right", "a green star spinning", "a paper boat on a river", "rain on a window")
WORKERS: Final = (
    ("gpu-east-1", "NVIDIA L40S", 48, "busy"),
    ("gpu-east-2", "NVIDIA RTX 4090", 24, "idle"),
    ("gpu-west-rented-by-the-hour-7", "NVIDIA H100 80GB HBM3", 80, "draining"),
)
GB: Final = 10**9
BEAT_SECONDS: Final = 4
_chance = random.Random(7)


def fill() -> None:
    """Write everything but the heartbeats; nothing where it has been written already."""
    from accounts.models import User
    from generation.models import Generation

    if User.objects.filter(email=PEOPLE[0][0]).exists():
        return
    _enable_models()
    workspaces = _customers()
    for number in range(CLIPS):
        _clip(workspaces[number % len(workspaces)], number)
    _moved_into_the_past(list(Generation.objects.order_by("created_at", "id")))
    for at, (name, device, size, state) in enumerate(WORKERS):
        _beat(name, device, size, state, None, time.time() - 60 * at)
    for number in range(WAITING):
        is_free = number % 4 == 3 and number < 20  # three at once are the most there
        _waiting(workspaces[2 + number // 4 % 2] if is_free else workspaces[(0, 4, 1)[number % 3]], number)
    _pay(workspaces)
    _samples()
    _what_needs_staff(workspaces)


def _enable_models() -> None:
    from catalog.models import Model

    Model.objects.filter(slug__in=MODELS).update(status=Model.Status.ENABLED)


def _customers() -> list[Any]:
    """Personal workspaces, a team and two visitors, each with credits."""
    from accounts import workspaces
    from accounts.models import User
    from billing import ledger
    from tests.accounts import factories as people
    from tests.generation import factories

    made = []
    for email, name, plan in PEOPLE:
        user = people.person(email)
        User.objects.filter(id=user.id).update(name=name)
        made.append(workspaces.personal_of(user))
        if plan:
            people.subscribe(made[-1], plan)
    owner = User.objects.get(email=PEOPLE[0][0])
    made.append(people.team(owner, "Northwind Pictures and Animation, Berlin and Rotterdam", plan="studio"))
    for workspace in made:
        ledger.grant(
            account=workspace.id, reference=f"start:{workspace.id}", amount=40_000, kind=ledger.LotKind.ADJUSTMENT
        )
    return [*made, *(factories.visitor(credits=2_000).workspace for _ in range(2))]


def _clip(workspace: Any, number: int) -> None:
    """One that was asked for, dispatched and ended; one of nine fails."""
    from catalog.offers import make_offer
    from catalog.requests import Ask
    from generation import reports
    from generation.models import Generation
    from generation.scheduling import dispatch
    from generation.submission.submit import submit
    from gpu_worker.contract import RENDER_QUEUE, Outcome, RenderError, job_id
    from loremotion import queues
    from loremotion.refusals import Refusal
    from tests.generation import factories

    model = MODELS[(number * 7 + number // 5) % len(MODELS)]
    try:
        offer = make_offer(Ask(prompt=_chance.choice(PROMPTS), model=model))
        generation = submit(workspace=workspace, offer=offer)
    except Refusal:  # a plan that does not include this model
        generation = submit(workspace=workspace, offer=make_offer(Ask(prompt=PROMPTS[0], model=MODELS[0])))
    dispatch.fill_window()
    Generation.objects.filter(id=generation.id, state="queued").update(state="dispatched", attempt=1)
    generation.refresh_from_db()
    worker = WORKERS[number % len(WORKERS)][0]
    if number % 9 == 4:
        error = _chance.choice([("out_of_memory", "It needs 31.0 GB and the card has 24.0 GB."), ("timeout", "")])
        said: dict[str, Any] = {"error": RenderError(code=error[0], message=error[1] or "It took too long.")}
        report = factories.report(generation, Outcome.FAILED, worker=worker, **said)
    else:
        film = _film()
        factories.deliver_clip(generation)
        _keep(generation, "clip", film)
        stages = {"loading": 1.5, "encoding_prompt": 0.4, "denoising": 4.0 + number % 17, "decoding": 0.9}
        facts = replace(factories.clip_facts(generation), size_bytes=len(film), sha256=hashlib.sha256(film).hexdigest())
        report = factories.report(generation, clip=facts, worker=worker, stage_seconds=stages, peak_bytes=11 * GB)
    reports.finished(report.to_wire())
    queues.queue(RENDER_QUEUE).remove(job_id(str(generation.id), generation.attempt))
    _paint(generation, number)


def _paint(generation: Any, number: int) -> None:
    """A picture for the list, instead of what passes for one in tests."""
    if number % 9 == 4:
        return
    sky, sun = (_chance.randrange(40, 160), 90, 150 + number % 90), (240, 170 + number % 60, 60)
    picture = Image.new("RGB", (320, 200), sky)
    x = 30 + (number * 37) % 220
    ImageDraw.Draw(picture).ellipse((x, 60, x + 70, 130), fill=sun)
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=70)
    _keep(generation, "poster", written.getvalue())


@cache
def _film() -> bytes:
    """Two seconds that a browser plays."""
    with tempfile.TemporaryDirectory() as folder:
        return write_video(Path(folder) / "clip.mp4", codec="libx264", size=(320, 200), frames=16).read_bytes()


def _keep(generation: Any, role: str, content: bytes) -> None:
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage

    from generation.storage import files

    key = files.key(generation, role)
    default_storage.delete(key)
    default_storage.save(key, ContentFile(content))


def _moved_into_the_past(clips: list[Any]) -> None:
    """A third of them came in the last day, the others over a month; their holds go along, past the ledger's guards."""
    from django.db import connection, transaction
    from django.utils import timezone

    from generation.models import Generation

    now = timezone.now()
    for number, clip in enumerate(clips):
        ago = timedelta(minutes=6 + 30 * number) if number < CLIPS // 3 else timedelta(hours=_chance.uniform(24, 700))
        came = now - ago
        started = came + timedelta(seconds=_chance.choice([2, 4, 7, 15, 40, 90]))
        ended = started + timedelta(seconds=sum(clip.stage_seconds.values()) or 9.0)
        Generation.objects.filter(id=clip.id).update(
            created_at=came, dispatched_at=came + timedelta(seconds=1), started_at=started, finished_at=ended
        )
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("UPDATE ledger_hold SET held_at = %s, settled_at = %s WHERE id = %s", [came, ended, clip.id])


def _waiting(workspace: Any, number: int) -> None:
    """A clip in the queue; some need more memory than any worker that takes clips has."""
    from django.db import transaction
    from django.utils import timezone

    from generation.models import Generation
    from tests.generation import factories

    came = timezone.now() - timedelta(minutes=2 * (WAITING - number))
    with transaction.atomic():  # dispatch looks at it once all of it is written
        clip = factories.submitted(workspace, PROMPTS[number % len(PROMPTS)])
        needed = 96 * GB if number % 8 == 5 else 9 * GB
        Generation.objects.filter(id=clip.id).update(needs_bytes=needed, created_at=came)


def _pay(workspaces: list[Any]) -> None:
    from django.utils import timezone

    from billing import ledger
    from billing.shop.models import Customer, Payment, Price

    prices = list(Price.objects.filter(currency="usd").order_by("id")[:4])
    for number, workspace in enumerate(workspaces[:5]):
        Customer.objects.create(workspace=workspace.id, stripe_customer_id=f"cus_lifelike{number}")
    for number in range(36):
        workspace, price = workspaces[number % 5], prices[number % len(prices)]
        Payment.objects.create(
            source=f"in_lifelike{number}",
            stripe_invoice_id=f"in_lifelike{number}",
            stripe_payment_intent_id=f"pi_lifelike{number}",
            workspace=workspace.id,
            account=workspace.id,
            price=price,
            amount_minor=price.amount_minor,
            refunded_minor=price.amount_minor if number % 17 == 5 else 0,
            currency="usd",
            credits=1000,
            paid_at=timezone.now() - timedelta(hours=7 + 38 * number),
        )
        if number % 3 == 0:
            ledger.grant(account=workspace.id, reference=f"in_lifelike{number}", amount=1000, kind=ledger.LotKind.PLAN)


def _samples() -> None:
    """What each worker was at, minute by minute for two days."""
    from django.utils import timezone

    from generation.models import FleetSample

    now = timezone.now().replace(second=0, microsecond=0)
    rows = []
    for name, _, size, _ in WORKERS:
        at = now - timedelta(days=2)
        while at <= now:
            activity = _chance.choice(["rendering", "rendering", "loading", "idle"])
            for _ in range(_chance.randrange(1, 9)):
                rows.append(
                    FleetSample(at=at, worker=name, activity=activity, used_bytes=9 * GB, budget_bytes=size * GB)
                )
                at += timedelta(minutes=1)
    FleetSample.objects.bulk_create(rows, ignore_conflicts=True)


def _what_needs_staff(workspaces: list[Any]) -> None:
    """A proposal above the limit, an event that failed, a difference with Stripe, a webhook and a mail given up."""
    from django.utils import timezone

    from accounts.models import User
    from billing import proposals
    from billing.models import Proposal
    from billing.shop.models import Mismatch, Reconciliation, StripeEvent
    from generation.models import Generation
    from generation.moderation import reviews
    from generation.webhooks.models import Delivery, Endpoint
    from loremotion.outbox.models import MailMessage

    now, ada = timezone.now(), User.objects.get(email=PEOPLE[0][0])
    grace = people_of_staff()
    proposals.propose(
        proposal_id=uuid4(),
        kind=Proposal.Kind.ADJUST,
        account=workspaces[1].id,
        amount=5_000,
        reason="A day without GPUs",
        staff=grace,
    )
    reviews.ask(workspaces[3], user=User.objects.get(email=PEOPLE[3][0]), prompt="hardcore porn")
    StripeEvent.objects.create(
        event_id="evt_lifelike",
        type="invoice.paid",
        object_id="in_lifelike99",
        state="dead",
        last_error="No such price",
    )
    look = Reconciliation.objects.create(kind="daily", finished_at=now, checked=36)
    Mismatch.objects.create(reconciliation=look, subject="pi_lifelike3", detail="Stripe has 39.00 USD, we have 19.00.")
    endpoint = Endpoint.objects.create(
        workspace=workspaces[0],
        name="production",
        url="https://hooks.example.org/loremotion",
        event_types=["video.completed"],
        sealed_secret="none",
        secret_hint="…7f2c",
        failures=6,
        failing_since=now - timedelta(hours=5),
    )
    clips = Generation.objects.filter(workspace=workspaces[0], finished_at__isnull=False).order_by("-created_at")[:8]
    for number, clip in enumerate(clips):
        is_dead = number % 4 == 3
        finished = clip.finished_at or now
        ended = finished + timedelta(seconds=2)
        Delivery.objects.create(
            endpoint=endpoint,
            event_id=f"evt_{clip.id.hex}",
            event_type="video.completed",
            video_id=clip.id,
            state="dead" if is_dead else "sent",
            attempts=12 if is_dead else 1,
            last_status=503 if is_dead else 200,
            last_error="The endpoint answered 503." if is_dead else "",
            created_at=finished,
            ended_at=ended,
            expires_at=now,
        )
        MailMessage.objects.create(
            workspace=workspaces[0],
            user=ada,
            content="generation.outbox.ready_content",
            about=clip.id,
            occasion=f"ready:{clip.id}"[:60],
            state="dead" if number == 5 else "sent",
            last_error="550 no such mailbox" if number == 5 else "",
            attempts=1,
            created_at=finished,
            ended_at=ended,
            expires_at=now,
        )


def people_of_staff() -> Any:
    """A second member of the staff, so that what takes two can be decided."""
    from tests.accounts.factories import person

    return person("grace.staff@example.org", is_staff=True)


def beat_for_ever() -> None:
    """Send the workers' heartbeats until the process is ended; the first one has a clip in hand."""
    from generation.models import Generation
    from generation.scheduling import dispatch
    from generation.settlement import settle
    from gpu_worker.last_work import GPU, LastWork
    from loremotion.valkey import connection

    dispatch.fill_window()
    clip = Generation.objects.filter(state="dispatched").order_by("fair_finish", "created_at").first()
    if clip is not None:
        settle.start(generation_id=clip.id, attempt=clip.attempt, worker=WORKERS[0][0])
    began = time.time()
    works = LastWork(connection(), GPU)
    while True:
        works.note()
        if clip is not None:
            clip.refresh_from_db()
            if clip.state == "dispatched":  # the beat found no worker of RQ at it
                settle.start(generation_id=clip.id, attempt=clip.attempt, worker=WORKERS[0][0])
        for at, (name, device, size, state) in enumerate(WORKERS):
            _beat(name, device, size, state, clip if at == 0 else None, began)
        time.sleep(BEAT_SECONDS)


def _beat(name: str, device: str, size: int, state: str, clip: Any, began: float) -> None:
    from gpu_worker.contract import WORKERS_KEY, Progress, progress_key, worker_key
    from gpu_worker.worker_status import CONTRACT_VERSION, ResidentComponent, WorkerStatus
    from loremotion.valkey import connection

    parts = [("transformer", 0.42, bool(clip)), ("text encoder", 0.2, False), ("VAE", 0.04, False)]
    status = WorkerStatus(
        name=name,
        version=CONTRACT_VERSION,
        host=f"{name}.example.org",
        device=device,
        driver="580.65, CUDA 12.8",
        budget_bytes=size * GB,
        used_bytes=int(0.66 * size * GB),
        state=state,
        residents=tuple(
            ResidentComponent(
                key=f"wan/{part}",
                name=f"Wan 2.1 1.3B {part}",
                size_bytes=int(share * size * GB),
                tier="device",
                leases=int(in_use),
            )
            for part, share, in_use in parts
        ),
        **({"generation_id": str(clip.id), "attempt": clip.attempt, "stage": "denoising"} if clip else {}),
        started_at=began,
        beat_at=time.time(),
    )
    store = connection()
    store.zadd(WORKERS_KEY, {name: time.time()})
    store.set(worker_key(name), json.dumps(status.to_wire()), ex=5 * BEAT_SECONDS)
    if clip:
        step = Progress(kind="step", stage="denoising", step=12, steps_total=30)
        store.xadd(progress_key(str(clip.id)), {"event": "step", "data": json.dumps(step.to_wire())}, maxlen=4)


if __name__ == "__main__":
    django.setup()
    logging.disable(logging.WARNING)
    fill()
    sys.stdout.write("filled\n")
    sys.stdout.flush()
    beat_for_ever()
