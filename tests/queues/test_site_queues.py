"""The site's workers call what their queue's table names, and nothing else that Valkey may hold."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.core.management import call_command
from django.utils.module_loading import import_string
from rq.exceptions import NoSuchJobError

from gpu_worker import valkey_names
from loremotion import queue_worker, queues
from tests.queues import records
from tests.queues.records import BOMB, EXTRAS, MODULE, NAMES, NO_NAMES, UNREADABLE, call, write

pytestmark = pytest.mark.django_db

ON_THE_WIRE = {
    "reports": {"generation.reports.started", "generation.reports.finished", "generation.reports.worker_lost"},
    "signing": {
        "generation.settlement.signing_queue.settle_signed",
        "generation.settlement.signing_queue.sign_late",
    },
    "stripe": {
        "billing.shop.jobs.work_on_event",
        "billing.shop.jobs.read_events",
        "billing.shop.jobs.compare_books",
        "billing.shop.jobs.end_subscriptions",
        "billing.shop.jobs.look_after_order",
    },
    "webhooks": {"generation.outbox.jobs.deliver", "generation.webhooks.jobs.deliver"},
    "mail": {"generation.outbox.jobs.mail", "loremotion.outbox.jobs.send_mail"},
}
"""Names that jobs in the queues of the last release bear. A new name is added; an old one goes a release later."""
QUEUES = sorted(ON_THE_WIRE)


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, valkey: redis.Redis) -> list[str]:
    """What the good job of each queue was called with: it comes after the bad ones, and shows that the loop went on."""
    said: list[str] = []
    for name in QUEUES:
        monkeypatch.setitem(import_string(settings.QUEUE_JOBS[name]), "a.good.job", said.append)
    return said


def work_off(queue: str, valkey: redis.Redis) -> None:
    write(valkey, queue, "good", call("a.good.job", queue))
    queue_worker.work(queue, burst=True)


def test_every_queue_of_the_site_is_tried() -> None:
    assert set(ON_THE_WIRE) == set(settings.QUEUE_JOBS)


@pytest.mark.parametrize("queue", QUEUES)
def test_every_name_on_the_wire_is_a_function_of_its_queue(queue: str) -> None:
    table = queues.table(queue)
    assert ON_THE_WIRE[queue] <= set(table)
    for name, function in table.items():
        assert import_string(name) is function, f"{name} is imported by nobody, but is another name of a function"


@pytest.mark.parametrize("queue", QUEUES)
def test_a_good_job_runs_and_leaves_the_line(queue: str, valkey: redis.Redis, good: list[str]) -> None:
    work_off(queue, valkey)
    assert good == [queue]
    assert queues.job("good").get_status() == "finished"
    assert [(load.waiting, load.running, load.failed) for load in queues.loads([queue])] == [(0, 0, 0)]


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("name", [*NAMES, *NO_NAMES], ids=repr)
def test_a_name_that_the_table_does_not_hold_is_refused(
    queue: str, name: Any, valkey: redis.Redis, good: list[str], proof: Path
) -> None:
    write(valkey, queue, "bad", call(name, f"touch {proof}", instance="x" if name == "instance" else None))
    work_off(queue, valkey)
    assert good == [queue]
    assert not proof.exists()
    assert queues.job("bad").get_status() == "failed"


@pytest.mark.parametrize("queue", QUEUES)
def test_a_function_of_another_queue_is_refused_whatever_the_record_says_of_its_queue(
    queue: str, valkey: redis.Redis, good: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[object] = []
    for other in QUEUES:
        if other != queue:
            monkeypatch.setitem(import_string(settings.QUEUE_JOBS[other]), f"of.{other}", called.append)
            write(valkey, queue, f"bad-{other}", call(f"of.{other}", 1), origin=other)
            write(valkey, queue, f"claimed-{other}", call(f"of.{other}", 1))
    work_off(queue, valkey)
    assert (called, good) == ([], [queue])


def test_a_job_in_the_line_of_another_queue_is_left_as_it_was(valkey: redis.Redis, good: list[str]) -> None:
    """GPU hosts may write into the line of reports, and could otherwise have the site end its own jobs."""
    write(valkey, "mail", "of-mail", call("a.good.job", "mail"), is_in_line=False)
    before = valkey.hgetall("rq:job:of-mail")
    valkey.lpush("rq:queue:reports", "of-mail")
    work_off("reports", valkey)
    assert good == ["reports"]
    assert (valkey.hgetall("rq:job:of-mail"), valkey.ttl("rq:job:of-mail")) == (before, -1)


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("extra", EXTRAS)
@pytest.mark.parametrize("name", ["a.good.job", "os.system"])
def test_a_record_that_asks_for_more_than_a_call_is_refused(
    queue: str, extra: str, name: str, valkey: redis.Redis, good: list[str], proof: Path
) -> None:
    write(valkey, queue, "bad", call(name, f"touch {proof}"), **EXTRAS[extra])
    work_off(queue, valkey)
    assert good == [queue]
    assert not proof.exists()
    assert queues.job("bad").get_status() == "failed"
    assert valkey.llen(f"rq:queue:{queue}") == 0
    assert not valkey.exists("rq:scheduled:" + queue)


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("field", UNREADABLE)
def test_a_record_that_cannot_be_read_drops_and_the_loop_goes_on(
    queue: str, field: str, valkey: redis.Redis, good: list[str]
) -> None:
    write(valkey, queue, "bad", **records.damaged(call("a.good.job", "bad"), UNREADABLE[field]))
    valkey.rpush(f"rq:queue:{queue}", "no-record-at-all", "no id", "", b"\xff")
    work_off(queue, valkey)
    assert good == [queue]


def test_a_record_that_would_fill_the_memory_is_not_inflated(valkey: redis.Redis, good: list[str]) -> None:
    write(valkey, "reports", "bad", BOMB)
    with pytest.raises(NoSuchJobError, match="larger than"):
        queues.job("bad")
    work_off("reports", valkey)
    assert good == ["reports"]


@pytest.mark.parametrize("queue", QUEUES)
def test_an_abandoned_job_with_a_failure_callback_runs_nothing(
    queue: str, valkey: redis.Redis, good: list[str], proof: Path
) -> None:
    callback = {"failure_callback_name": f"{MODULE}.called"}
    write(valkey, queue, "bad", call("os.system"), is_in_line=False, **callback | {"status": "started"})
    valkey.zadd(f"rq:wip:{queue}", {"bad:1": 1})
    work_off(queue, valkey)
    assert good == [queue]
    assert not proof.exists()
    assert valkey.zcard(f"rq:wip:{queue}") == 0
    assert queues.job("bad").get_status() == "failed"


@pytest.mark.parametrize("key", ["rq:finished:mail", "rq:failed:mail", "rq:groups", "rq:rl-keys", "rq:suspended"])
def test_a_registry_that_is_none_keeps_nobody_from_work(key: str, valkey: redis.Redis, good: list[str]) -> None:
    valkey.lpush(key, "x")
    work_off("mail", valkey)
    assert good == ["mail"]


def test_odd_entries_of_registries_keep_nobody_from_work(valkey: redis.Redis, good: list[str]) -> None:
    odd = [b"\xff:", b"a b", b"1:2:3", b""]
    for registry in ("wip", "finished", "failed", "deferred", "ready", "scheduled"):
        valkey.zadd(f"rq:{registry}:mail", dict.fromkeys(odd, 1.0))
    valkey.sadd("rq:workers:mail", *odd)
    valkey.sadd("rq:rl-keys", *odd)
    valkey.rpush("rq:queue:mail:intermediate", *odd)
    work_off("mail", valkey)
    assert good == ["mail"]


@pytest.mark.parametrize("key", ["rq:job:first:dependents", "rq:job:first:dependencies", "rq:executions:first"])
def test_a_key_of_another_kind_beside_a_job_keeps_the_next_from_nothing(
    key: str, valkey: redis.Redis, good: list[str]
) -> None:
    """A GPU host may write fields under whatever begins like the record of a report."""
    valkey.hset(key, "odd", "odd")
    write(valkey, "mail", "first", call("a.good.job", "first"))
    work_off("mail", valkey)
    assert good[-1] == "mail"


def test_nothing_in_valkey_is_unpickled(valkey: redis.Redis, good: list[str], proof: Path) -> None:
    pickled = pickle.dumps(records.Unpickled(proof))
    for field in ("data", "meta", "result", "webhooks", "dependency_ids"):
        write(valkey, "mail", f"bad-{field}", **records.damaged(call("a.good.job", "bad"), {field: pickled}))
    write(valkey, "mail", "abandoned", pickled, is_in_line=False, status="started", meta=pickled)
    valkey.zadd("rq:wip:mail", {"abandoned:1": 1})
    valkey.sadd("rq:groups", "g")
    valkey.sadd("rq:group:g", "abandoned")
    valkey.sadd("rq:job:good:dependents", "abandoned")
    work_off("mail", valkey)
    assert good == ["mail"]
    assert not proof.exists()


def test_rq_itself_unpickles_nothing_where_it_is_told_of_no_serializer(valkey: redis.Redis, proof: Path) -> None:
    from rq import Queue

    write(valkey, "mail", "bad", call("x"), meta=pickle.dumps(records.Unpickled(proof)))
    assert Queue("mail", connection=valkey).get_jobs()[0].meta.keys() == {"unserialized"}
    assert not proof.exists()


def test_no_command_over_valkey_reaches_a_worker_of_the_site(valkey: redis.Redis, good: list[str]) -> None:
    subscribed: list[object] = []
    good_job = import_string(settings.QUEUE_JOBS["mail"])
    good_job["a.good.job"] = lambda _: subscribed.extend(valkey.pubsub_channels())
    work_off("mail", valkey)
    assert subscribed == []


def test_the_page_of_queues_and_its_pickle_are_gone(admin_client: Any) -> None:
    for address in ("/admin/queues/", "/admin/django_rq/dashboard/"):
        assert admin_client.get(address).status_code == 404


def test_the_render_queue_is_no_business_of_the_site() -> None:
    with pytest.raises(KeyError):
        queues.table(valkey_names.RENDER_QUEUE)


def test_what_stands_in_the_queue_of_the_last_release_is_worked_off(valkey: redis.Redis, good: list[str]) -> None:
    for number, line in enumerate(("rq:queue:deliveries", "rq:queue:deliveries", "rq:queue:deliveries:intermediate")):
        write(valkey, "deliveries", f"old-{number}", call("a.good.job", f"old-{number}"), is_in_line=False)
        valkey.rpush(line, f"old-{number}")
    work_off("webhooks", valkey)
    assert sorted(good) == ["old-0", "old-1", "old-2", "webhooks"]
    assert valkey.keys("rq:queue:deliveries*") == []


def test_what_comes_into_it_later_is_taken_over_by_a_worker_that_runs(valkey: redis.Redis, good: list[str]) -> None:
    worker = queue_worker.QueueWorker("webhooks")
    worker.run_maintenance_tasks()
    write(valkey, "deliveries", "late", call("a.good.job", "late"))
    worker.run_maintenance_tasks()
    work_off("webhooks", valkey)
    assert good == ["late", "webhooks"]


def test_a_worker_that_is_started_by_the_old_name_works_off_the_new_queue(
    valkey: redis.Redis, good: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    write(valkey, "webhooks", "good", call("a.good.job", "webhooks"))
    call_command("rqworker", "deliveries", "--burst")
    assert good == ["webhooks"]
    assert "start rqworker webhooks" in caplog.text
