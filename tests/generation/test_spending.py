"""What was spent is added up by triggers, and is what the holds say, whatever happens to them and to their clips."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module
from itertools import combinations
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts import api_keys, erasure, workspaces
from accounts.caller import Caller
from accounts.models import ApiKey, User, Visitor, Workspace
from accounts.roles import BY_ROLE, Role
from billing import ledger
from billing.shop.budgets import Period
from catalog.models import Model
from catalog.offers import make_offer
from catalog.requests import Ask
from generation import spending
from generation.models import Generation, SpentDay
from generation.settlement import settle
from generation.submission.submit import submit
from tests.accounts import factories as people
from tests.generation import factories
from tests.patience import PATIENCE_SECONDS, wait_until
from tests.properties import examples

pytestmark = pytest.mark.django_db

BY_HOLDS = """
    WITH RECURSIVE mine AS (
        SELECT %(account)s::uuid AS id
        UNION SELECT merged.id FROM ledger_account merged JOIN mine ON merged.merged_into_id = mine.id
    )
    SELECT {groups}, count(*),
        coalesce(sum(clip.num_frames / clip.fps) FILTER (WHERE clip.state = 'succeeded'), 0),
        coalesce(sum(hold.amount) FILTER (WHERE hold.state = 'open'), 0), sum(hold.captured), sum(hold.released)
    FROM mine JOIN ledger_hold hold ON hold.account_id = mine.id
    LEFT JOIN generation_generation clip ON clip.id = hold.id
    LEFT JOIN catalog_modelversion version ON version.id = clip.version_id
    LEFT JOIN catalog_model model ON model.id = version.model_id
    LEFT JOIN accounts_apikey apikey ON apikey.id = clip.api_key_id
    LEFT JOIN accounts_user person ON person.id = clip.made_by_id
    GROUP BY {numbers} ORDER BY {numbers}
"""
COLUMNS = {
    "day": "to_char(hold.held_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
    "model": "model.slug",
    "key": "apikey.prefix",
    "member": "person.email",
}
"""As ``GET /v1/usage`` found its sums when it read every hold."""


def by_holds(account: Any, by: tuple[str, ...]) -> list[tuple[Any, ...]]:
    numbers = ", ".join(str(number) for number in range(1, len(by) + 1))
    with connection.cursor() as cursor:
        cursor.execute(
            BY_HOLDS.format(groups=", ".join(COLUMNS[name] for name in by), numbers=numbers), {"account": account}
        )
        return [(*row[: len(by) + 1], round(row[len(by) + 1], 3), *map(int, row[len(by) + 2 :])) for row in cursor]


def by_sums(account: Any, by: tuple[str, ...]) -> list[tuple[Any, ...]]:
    today = timezone.now().date()
    since, until = today.replace(year=today.year - 1, day=1), today.replace(year=today.year + 1, day=1)
    rows = spending.sums_by_group(account, since, until, by, key=None, member=None, limit=1_000)
    return [(*row[: len(by)], row[len(by) + 2], round(row[len(by) + 3], 3), *row[len(by) + 4 :]) for row in rows]


def is_true_of(workspace: Workspace) -> None:
    for number in range(1, len(spending.GROUPS) + 1):
        for by in combinations(spending.GROUPS, number):
            assert by_sums(workspace.id, by) == by_holds(workspace.id, by), by
    assert spending.recount(workspace.id) == 0


class Scene:
    """A team of an owner and a member with a key, and a visitor who may sign in to one of its own."""

    def __init__(self) -> None:
        self.models = [factories.model().slug, factories.model("other", is_default=False).slug]
        self.owner, self.member = people.person("owner@example.org"), people.person("member@example.org")
        self.studio = people.team(self.owner, "Studio", member=self.member)
        ledger.grant(account=self.studio.id, reference="studio", amount=100_000, kind=ledger.LotKind.PACK)
        self.key, _ = api_keys.issue(
            workspace=self.studio, by=self.owner, allowed=BY_ROLE[Role.OWNER], name="ci", scopes=["generate"]
        )
        self.visitor: Visitor | None = factories.visitor(credits=1_000)
        self.personal: Workspace | None = None
        self.open: list[Generation] = []

    def callers(self) -> list[Caller]:
        allowed = BY_ROLE[Role.OWNER]
        places = self.studio.memberships.select_related("user", "workspace").order_by("id")
        members = [Caller(self.studio, allowed, membership=place) for place in places]
        return [*members, Caller(self.studio, allowed, key=ApiKey.objects.select_related("workspace").get())]

    def ask(self, number: int) -> None:
        ask, callers = Ask(prompt="a fox", model=self.models[number % 2], seconds=1 + number % 3), self.callers()
        caller = callers[number % len(callers)]
        self.open.append(submit(workspace=self.studio, offer=make_offer(ask), caller=caller))

    def visit(self, number: int) -> None:
        if self.visitor is not None:
            self.open.append(factories.submitted(self.visitor.workspace))

    def sign_in(self, number: int) -> None:
        """The visitor's clips and credits become the member's."""
        if self.visitor is not None and User.objects.filter(id=self.member.id).exists():
            self.personal, self.visitor = workspaces.adopt(visitor=self.visitor, user=self.member), None

    def deliver(self, number: int) -> None:
        if self.open:
            made = Generation.objects.get(id=self.open.pop(number % len(self.open)).id)
            factories.deliver_clip(made)
            settle.settle(factories.report(made))

    def cancel(self, number: int) -> None:
        if self.open:
            settle.cancel(self.open.pop(number % len(self.open)))

    def release(self, number: int) -> None:
        """As the beat does with what a crash left."""
        if self.open:
            ledger.release(reference=self.open.pop(number % len(self.open)).id)

    def leave(self, number: int) -> None:
        """The member goes, and is forgotten; their own workspace goes with them."""
        if self.personal is None and User.objects.filter(id=self.member.id).exists():
            erasure.erase_person(self.member)

    def erase(self, number: int) -> None:
        """A clip that has ended is erased, and its hold stays."""
        ended = Generation.objects.of(self.studio).exclude(id__in=[clip.id for clip in self.open])
        if found := ended.order_by("created_at").first():
            Generation.objects.filter(id=found.id).delete()

    def sum_up(self, number: int) -> None:
        spending.sum_up(limit=1 + number)


ACTS: dict[str, Callable[[Scene, int], None]] = {
    name: getattr(Scene, name)
    for name in ("ask", "visit", "sign_in", "deliver", "cancel", "release", "leave", "erase", "sum_up")
}
STEPS = st.lists(
    st.tuples(st.sampled_from(["ask", "ask", "deliver", "sum_up", *ACTS]), st.integers(0, 8)), min_size=3, max_size=14
)


@hypothesis_settings(max_examples=examples(25))
@given(steps=STEPS)
def test_the_sums_are_those_of_the_holds_whatever_happens(steps: list[tuple[str, int]]) -> None:
    with transaction.atomic():  # of this example alone
        scene = Scene()
        for name, number in steps:
            ACTS[name](scene, number)
        for workspace in Workspace.objects.all():
            is_true_of(workspace)
        transaction.set_rollback(True)


def test_what_is_added_up_is_one_row_of_each_day_model_key_and_member() -> None:
    scene = Scene()
    for number in range(6):
        scene.ask(number)
    for number in range(4):
        scene.deliver(number)
    before = by_sums(scene.studio.id, spending.GROUPS)
    assert SpentDay.objects.count() > len(before)
    spending.sum_up()
    assert SpentDay.objects.filter(is_summed=True).count() == SpentDay.objects.count() == len(before)
    scene.deliver(0)
    spending.sum_up()
    assert SpentDay.objects.filter(is_summed=True).count() == SpentDay.objects.count() == len(before)
    is_true_of(scene.studio)


def test_a_round_adds_up_so_many_and_leaves_the_rest_for_the_next() -> None:
    scene = Scene()
    for number in range(4):
        scene.ask(number)
    before = SpentDay.objects.filter(is_summed=False).count()
    spending.sum_up(limit=3)
    assert SpentDay.objects.filter(is_summed=False).count() == before - 3
    is_true_of(scene.studio)


def test_what_is_asked_of_a_span_reads_no_hold_and_no_clip() -> None:
    scene = Scene()
    scene.ask(0)
    with CaptureQueriesContext(connection) as asked:
        assert by_sums(scene.studio.id, spending.GROUPS)
        assert spending.credits_by_period(scene.studio.id)[Period.MONTH] > 0
        spending.spending_by_key(scene.studio)
    assert len(asked) == 3
    with CaptureQueriesContext(connection) as explained, connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # of so few rows it would read all
        for query in asked.captured_queries:
            cursor.execute(f"EXPLAIN {query['sql']}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "spentday_of_account" in plan
            assert "ledger_hold" not in plan
            assert "generation_generation" not in plan
    assert explained


def test_history_is_counted_once_however_often_the_migration_is_begun() -> None:
    scene = Scene()
    for number in range(5):
        scene.ask(number)
    scene.deliver(0)
    SpentDay.objects.all().delete()  # as on the day before it
    scene.deliver(0)  # what happens before it is counted is counted by its trigger, and not twice
    scene.ask(1)
    count = import_module("generation.migrations.0063_spent_before").count
    for _ in range(2):
        with connection.schema_editor(atomic=False) as editor:
            count(apps, editor)
        is_true_of(scene.studio)


def test_history_of_more_accounts_than_one_batch_is_counted(monkeypatch: pytest.MonkeyPatch, toy: Model) -> None:
    migration = import_module("generation.migrations.0063_spent_before")
    visitors = [factories.visitor(credits=100) for _ in range(5)]
    for visitor in visitors:
        factories.submitted(visitor.workspace)
    SpentDay.objects.all().delete()
    monkeypatch.setattr(migration, "AT_ONCE", 2)
    with connection.schema_editor(atomic=False) as editor:
        migration.count(apps, editor)
    for visitor in visitors:
        is_true_of(visitor.workspace)


@pytest.mark.django_db(transaction=True)
def test_a_hold_and_its_clip_that_change_at_once_are_counted_right() -> None:
    """Nobody who settles does so without the clip's lock but the beat, of what a crash left."""
    scene = Scene()
    scene.ask(0)
    clip = scene.open[0]
    assert clip.made_by is not None
    pids: list[int] = []

    def release() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                pids.append(cursor.fetchone()[0])
                ledger.release(reference=clip.id)
        finally:
            connection.close()

    def waits() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = ANY (%s)", [pids])
            return bool(cursor.fetchone() == (True,))

    releasing = threading.Thread(target=release)
    with transaction.atomic():
        Generation.objects.filter(id=clip.id).update(made_by=None)
        releasing.start()
        wait_until(waits)
    releasing.join(PATIENCE_SECONDS)
    is_true_of(scene.studio)
    assert [row[0] for row in by_sums(scene.studio.id, ("member",))] == [None]
