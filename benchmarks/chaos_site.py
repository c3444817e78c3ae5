"""The site of ``benchmarks.chaos``: its settings, its people and models, and what its processes took and logged."""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import psutil

from benchmarks.chaos_crowd import PASSWORD, Facts, Known
from benchmarks.chaos_plan import MODELS, PEOPLE, PROCESSES
from benchmarks.chaos_staff import WORKER
from loremotion.local.preparation import STAFF_EMAIL, staff_password
from loremotion.local.stack import Stack
from tests.fake_stripe.process import FakeStripeProcess
from tests.webhooks.receiver import Receiver

EVENTS: Final = ["video.completed", "video.failed", "video.cancelled", "video.blocked"]
STEADY: Final = """
models:
  steady:
    name: Steady
    summary: The preview model with more steps.
    status: enabled
    position: 20
    version:
      family: preview
      source: preview
      dtype: float32
      modes: [text]
      sizes: [48x48]
      fps: 8
      min_seconds: 2
      max_seconds: 2
      default_seconds: 2
      max_steps: 50
      max_prompt_characters: 500
      presets:
        standard: {steps: 12, guidance_scale: 1.0}
      upscale: 8
      timeout_seconds: 60
      prices:
        standard: {360p: 2000}
      licence: Apache-2.0
"""


def prepare(folder: Path, receiver: Receiver) -> Known:
    """Make the people of the story, in this process, which has the site's settings. Returns what each knows."""
    import django

    django.setup()
    logging.disable(logging.INFO)  # of what is asked in this process
    from django.core import signing
    from django.core.management import call_command
    from django.db import connection

    from accounts import api_keys, workspaces
    from accounts.roles import BY_ROLE, Role
    from billing import ledger
    from billing.shop.models import Price
    from catalog.models import Model
    from generation.webhooks import endpoints
    from tests.accounts import factories

    catalogue = folder / "steady.yaml"
    catalogue.write_text(STEADY)
    call_command("catalog", "load", str(catalogue), stdout=sys.stderr)
    people: dict[str, Facts] = {}
    for kind, count in PEOPLE.items():
        for number in range(count):
            name = f"{kind}-{number}"
            if kind == "visitor":
                visitor = factories.visitor()
                cookie = signing.dumps(str(visitor.id), salt="accounts.visitors")
                people[name] = Facts(str(visitor.workspace_id), cookies={"visitor": cookie})
                continue
            user = factories.person(f"{name}@example.org", password=PASSWORD)
            workspace = workspaces.personal_of(user)
            ledger.grant(account=workspace.id, reference=f"chaos:{name}", amount=1_000, kind=ledger.LotKind.GOODWILL)
            people[name] = Facts(str(workspace.id), email=user.email)
            endpoints.create(
                workspace=workspace,
                actor="",
                name=name,
                url=f"http://127.0.0.1:{receiver.port}/{name}",
                event_types=EVENTS,
            )
            if kind == "program":
                allowed, scopes = BY_ROLE[Role.OWNER], ["read", "generate"]
                _, key = api_keys.issue(workspace=workspace, by=user, allowed=allowed, name=name, scopes=scopes)
                people[name] = Facts(str(workspace.id), key)
    usd = Price.objects.offered().filter(currency="usd")
    known = Known(
        people,
        STAFF_EMAIL,
        staff_password(folder),
        models=dict(Model.objects.filter(slug__in=MODELS).values_list("slug", "pk")),
        packs=list(usd.filter(pack__isnull=False).order_by("pk").values_list("pk", flat=True)),
        plans=list(usd.filter(plan__isnull=False, interval="month").order_by("pk").values_list("pk", flat=True)),
    )
    connection.close()
    return known


def memory(stack: Stack) -> dict[str, int]:
    """Process → bytes of it and of its children that are in memory."""
    found = {}
    for name in PROCESSES:
        root = psutil.Process(stack.pid(name))
        found[name] = sum(each.memory_info().rss for each in (root, *root.children(recursive=True)))
    return found


def log_summary(stack: Stack) -> Counter[str]:
    """What the processes logged as errors, by process and message, without what differs from time to time."""
    found: Counter[str] = Counter()
    for name in PROCESSES:
        for line in stack.log(name).read_text(errors="replace").splitlines() if stack.log(name).exists() else ():
            try:
                said = json.loads(line)
            except ValueError:
                found[f"{name}: not JSON: {line[:100]}"] += line.startswith("Traceback")
                continue
            if isinstance(said, dict) and said.get("level") in ("ERROR", "CRITICAL"):
                found[f"{name}: {said.get('message', '')[:140]}"] += 1
    return +found


def settings_of(stripe: FakeStripeProcess) -> dict[str, str]:
    return {
        "STAFF_MFA": "0",
        "LOG_FORMAT": "json",
        "HOUSEKEEPING_SECONDS": "1",
        "OMP_NUM_THREADS": "1",  # renders leave a core to the others
        "FREE_DAILY_CREDITS": "1000",
        "SIGNED_IN_DAILY_CREDITS": "1000",
        "API_REQUESTS_PER_MINUTE": "100000",
        "API_CHANGES_PER_MINUTE": "100000",
        "GPU_WORKER_NAME": WORKER,
        "WEBHOOK_PRIVATE_NETWORKS": "127.0.0.0/8",
        "STRIPE_SECRET_KEY": "sk_test_imitation",
        "STRIPE_WEBHOOK_SECRETS": stripe.secret,
        "STRIPE_API_BASE": stripe.url,
    }
