"""Writes the whole month, once."""

from __future__ import annotations

import time

from accounts import workspaces
from accounts.models import User, Workspace
from billing import ledger
from catalog.models import Model
from generation.models import Generation
from tests.accounts import factories as people
from tests.generation import factories
from tests.lifelike import PEOPLE, WORKERS, back_office, clips, workers


def fill() -> None:
    """Write everything but the heartbeats; nothing where it has been written already."""
    if User.objects.filter(email=PEOPLE[0][0]).exists():
        return
    _enable_models()
    customers = _customers()
    for number in range(clips.CLIPS):
        clips.make_clip(customers[number % len(customers)], number)
    clips.move_into_the_past(list(Generation.objects.order_by("created_at", "id")))
    clips.pick_for_explore()
    for at, (name, device, size, state) in enumerate(WORKERS):
        workers.beat(name, device, size, state, None, time.time() - 60 * at)
    for number in range(clips.WAITING):
        is_free = number % 4 == 3 and number < 20  # three at once are the most there
        clips.ask(customers[2 + number // 4 % 2] if is_free else customers[(0, 4, 1)[number % 3]], number)
    back_office.pay(customers)
    workers.sample()
    workers.sample_system()
    workers.record_service(clips.MODELS)
    back_office.bring_before_staff(customers)


def _enable_models() -> None:
    Model.objects.filter(slug__in=clips.MODELS).update(status=Model.Status.ENABLED)


def _customers() -> list[Workspace]:
    """Make personal workspaces, a team's and two visitors', each with credits, and return them."""
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
        ledger.grant(account=workspace.id, reference=f"start:{workspace.id}", amount=40_000, kind=ledger.LotKind.PACK)
    return [*made, *(factories.visitor(credits=2_000).workspace for _ in range(2))]
