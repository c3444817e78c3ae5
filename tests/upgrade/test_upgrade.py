"""What a site of the release before had under way goes on under this one: every job ends, and the books are clean.

The files in ``release/`` were written by that release itself; ``write_release`` says how.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from loremotion.local.ports import free_port
from loremotion.local.postgres import Postgres
from loremotion.local.valkey import Valkey
from tests.fake_stripe.process import FakeStripeProcess
from tests.upgrade import restoring
from tests.webhooks.receiver import Receiver

ROOT = Path(__file__).parents[2]
GPU_WORKER = (sys.executable, "-m", "tests.gpu_worker.scripted_worker", "--budget-bytes", str(4 * 2**30))
PROMPTS_THAT_SUCCEED = {
    "made whole",
    "its worker is lost",
    "made, and not yet settled",
    "half made",
    "in RQ 1",
    "in RQ 2",
    "in RQ 3",
    "in the fair queue 1",
    "in the fair queue 2",
}


@dataclass
class Upgraded:
    """What became of everything."""

    requests: dict[str, str]
    """Prompt and state."""
    unfinished: dict[str, Any]
    audit: str
    database_url: str
    webhooks: list[str]
    """Events as the endpoint heard them."""
    letters: list[str]
    failed_jobs: set[str]
    """Ids on the site's queues, by RQ's records."""


def failed_jobs(valkey: Any) -> set[str]:
    keys = [key for key in valkey.scan_iter("rq:failed:*") if key != b"rq:failed:render"]
    return {job_id.decode() for key in keys for job_id in valkey.zrange(key, 0, -1)}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {"@MEDIA@": str(tmp_path_factory.mktemp("media")), "@SITE@": "http://127.0.0.1:8000"}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Addresses of an empty PostgreSQL and an empty Valkey of this module's own."""
    folder = tmp_path_factory.mktemp("stores")
    postgres, valkey = Postgres(folder / "postgres", free_port(), is_durable=False), None
    try:
        postgres.start()
        valkey = Valkey(folder / "valkey", free_port(), is_durable=False)
        valkey.start()
        yield postgres.url(), valkey.url()
    finally:
        postgres.stop()
        if valkey is not None:
            valkey.stop()


@pytest.fixture(scope="module")
def upgraded(
    tmp_path_factory: pytest.TempPathFactory, places: dict[str, str], stores: tuple[str, str]
) -> Iterator[Upgraded]:
    """This release over the stores of the one before, until nothing is open any more."""
    database_url, redis_url = stores
    folder = tmp_path_factory.mktemp("upgrade")
    restoring.restore_stripe(folder / "stripe.json", places)
    with Receiver() as receiver, FakeStripeProcess(state=folder / "stripe.json") as stripe:
        places |= {"@STRIPE@": stripe.url, "http://127.0.0.1:9/hooks": receiver.url}
        restoring.restore_database(database_url, places)
        restoring.restore_valkey(redis.Redis.from_url(redis_url), places)
        restoring.restore_clips(Path(places["@MEDIA@"]))
        environment = os.environ | {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "SECRET_KEY": str(restoring.written()["secret_key"]),
            "MEDIA_DIR": places["@MEDIA@"],
            "MAIL_DIR": str(folder / "mail"),
            "WEBHOOK_PRIVATE_NETWORKS": "127.0.0.0/8",
            "STRIPE_SECRET_KEY": "sk_test_imitation",
            "STRIPE_API_BASE": stripe.url,
            "GPU_WORKER_NAME": "gpu-1",
            "GPU_WORKER_CACHE": str(folder / "cache"),
            "GPU_WORKER_MODELS": str(folder / "models"),
        }
        with (folder / "gpu.log").open("wb") as log:
            gpu = subprocess.Popen(
                [sys.executable, "-m", "tests.gpu_worker.scripted_supervisor", *GPU_WORKER],
                env=environment, cwd=ROOT, stdout=log, stderr=log,
            )  # fmt: skip
            try:
                site = subprocess.run(
                    [sys.executable, "-m", "tests.upgrade.work_off"],
                    env=environment, cwd=ROOT, capture_output=True, text=True, timeout=400,
                )  # fmt: skip
            finally:
                gpu.terminate()
                gpu.wait()
        said = f"{site.stderr[-6000:]}\n--- gpu\n{(folder / 'gpu.log').read_text()[-3000:]}"
        assert site.returncode == 0, said
        found = json.loads(site.stdout)
        print(said)  # noqa: T201 - pytest shows it when a test of what was found fails
        yield Upgraded(
            requests={request["prompt"]: request["state"] for request in found["requests"]},
            unfinished=found["unfinished"],
            audit=said,
            database_url=database_url,
            webhooks=[json.loads(heard.body)["type"] for heard in receiver.heard],
            failed_jobs=failed_jobs(redis.Redis.from_url(redis_url)),
            letters=[path.read_text() for path in sorted((folder / "mail").glob("*"))],
        )


def test_the_release_before_had_something_under_way_everywhere(places: dict[str, str]) -> None:
    keys = json.loads(restoring.text_of("valkey.json", places))
    queues = {"render", "reports", "stripe", "deliveries", "mail"}
    for state in ("", ":intermediate"):
        assert {f"rq:queue:{queue}{state}" for queue in queues} <= keys.keys()
    assert "rq:wip:render" in keys
    assert urlsplit(places["@SITE@"]).hostname == "127.0.0.1"


def test_nothing_is_left_open(upgraded: Upgraded) -> None:
    assert upgraded.unfinished == {}


def test_every_job_in_line_is_known_by_its_old_name(upgraded: Upgraded, places: dict[str, str]) -> None:
    """RQ fails those alone that a worker lost at the pop; what they were for is found by housekeeping."""
    keys = json.loads(restoring.text_of("valkey.json", places))
    lost_at_the_pop = {job_id for key in keys if key.endswith(":intermediate") for job_id in keys[key]["holds"]}
    assert upgraded.failed_jobs <= lost_at_the_pop


def test_every_request_ends_as_it_would_have(upgraded: Upgraded) -> None:
    ends = dict.fromkeys(PROMPTS_THAT_SUCCEED, "succeeded") | {"too late": "failed", "cancelled in line": "cancelled"}
    assert upgraded.requests == ends


def test_the_books_are_clean_and_each_hold_is_settled_by_its_end(upgraded: Upgraded) -> None:
    assert "no violation: every credit is accounted for" in upgraded.audit
    with psycopg.connect(upgraded.database_url) as connection:
        wrong = connection.execute(
            "SELECT prompt, generation_generation.state, ledger_hold.state FROM generation_generation"
            " LEFT JOIN ledger_hold USING (id)"
            " WHERE (generation_generation.state = 'succeeded') IS DISTINCT FROM (ledger_hold.captured = amount)"
        ).fetchall()
    assert wrong == []


def test_what_was_made_before_is_not_made_again(upgraded: Upgraded) -> None:
    with psycopg.connect(upgraded.database_url) as connection:
        made = connection.execute("SELECT prompt, attempt FROM generation_generation WHERE prompt LIKE 'made%'")
        assert set(made.fetchall()) == {("made whole", 1), ("made, and not yet settled", 1)}


def test_what_was_paid_is_granted_once(upgraded: Upgraded) -> None:
    with psycopg.connect(upgraded.database_url) as connection:
        packs = connection.execute("SELECT count(*) FROM ledger_lot WHERE kind = 'pack'").fetchone()
        paid = connection.execute("SELECT count(*) FROM shop_payment").fetchone()
    assert packs == paid == (1,)


def test_whoever_waits_to_hear_hears(upgraded: Upgraded) -> None:
    """The member's endpoint, of the six clips that were not visitors', and the member, of two."""
    assert sorted(upgraded.webhooks) == ["video.cancelled"] + ["video.completed"] * 4 + ["video.failed"]
    about = [letter for letter in upgraded.letters if "made whole" in letter or "too late" in letter]
    assert len(about) == 2
