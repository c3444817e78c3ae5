"""Writes ``release/``: what a site of the release before holds at an hour when everything is under way.

Run it inside a checkout of that release, with its own stores, processes and preview model::

    git worktree add /tmp/before <commit>
    cd /tmp/before && PYTHONPATH=. python <here>/tests/upgrade/write_release.py <here>/tests/upgrade/release

It knows that release by its pages, its API and its Procfile alone, so the next release writes its own with it. Members,
addresses and keys are made up; sessions, passwords and this machine's folders and ports do not get into the files.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from rq.intermediate_queue import IntermediateQueue

from loremotion.local.ports import free_port
from loremotion.local.postgres import binaries
from loremotion.local.preparation import STAFF_EMAIL, staff_password
from loremotion.local.stack import Stack, procfile
from loremotion.local.visitor import Visitor
from tests.fake_stripe.process import FakeStripeProcess

SECRET_KEY = "a key for tests only, long enough to be taken for a real one"
QUEUES = ("reports", "stripe", "deliveries", "mail")
PATIENCE_SECONDS = 240.0
SHORT_LIVED_SECONDS = 300
EVENTS = ["video.completed", "video.failed", "video.cancelled"]
MODEL = """
  {slug}:
    name: {slug}
    summary: The preview model with more steps than there is time for.
    status: enabled
    position: 900
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
      max_steps: 1000
      max_prompt_characters: 500
      presets:
        standard: {{steps: 1000, guidance_scale: 1.0}}
      upscale: 8
      timeout_seconds: {timeout_seconds}
      prices:
        standard: {{360p: 10000}}
      licence: Apache-2.0
"""


def process_of(queue: str) -> str:
    """The Procfile's process that works off ``queue``."""
    return next(
        name for name, command in procfile().items() if re.search(rf"\b(rqworker|queue_worker) {queue}\b", command)
    )


def wait_until(is_true: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if answer := is_true():
            return answer
        time.sleep(0.3)
    raise AssertionError(f"In {PATIENCE_SECONDS:.0f} s it did not happen that {what}.")


class Site:
    """The site of the release before, and those who are at it."""

    def __init__(self, stack: Stack, stripe: FakeStripeProcess) -> None:
        self.stack = stack
        self.stripe = stripe
        self.valkey: Any = redis.Redis.from_url(stack.stores.redis_url)
        self.member = Visitor(stack.url)

    def manage(self, *command: str) -> None:
        subprocess.run([sys.executable, "manage.py", *command], env=self.stack.environment, check=True)

    def post(self, page: str, address: str, **form: Any) -> str:
        """Send a form of ``page`` as the member does. Returns where it leads."""
        self.member.client.get(page)
        csrf = self.member.client.cookies["csrftoken"]
        answer = self.member.client.post(address, data={"csrfmiddlewaretoken": csrf, **form})
        assert answer.status_code in (200, 302), f"{address} answered {answer.status_code}: {answer.text[-2000:]}"
        return str(answer.headers.get("location", ""))

    def video(self, video: dict[str, Any], **wanted: Any) -> None:
        def is_so() -> bool:
            now = self.member.video(video["id"])
            return all(now["lm"].get(name) == value for name, value in wanted.items())

        wait_until(is_so, f"{video['prompt']} is {wanted}")

    def ids(self, queue: str) -> list[str]:
        return [job_id.decode() for job_id in self.valkey.lrange(f"rq:queue:{queue}", 0, -1)]

    def lose_at_the_pop(self, queue: str) -> None:
        """As a worker that died there leaves it: the last in line is popped, and nobody has begun it."""
        popped = IntermediateQueue(f"rq:queue:{queue}", self.valkey)
        job_id = self.valkey.lmove(f"rq:queue:{queue}", popped.key, "RIGHT", "LEFT")
        assert job_id is not None, f"nothing waits in {queue}"
        popped.set_first_seen(job_id.decode())


def story(site: Site) -> None:
    """Leave jobs in every queue, taken and untaken, and requests in every state that a worker can bring about."""
    stack, member = site.stack, site.member
    password = staff_password(stack.folder)
    assert site.post("/account/login/", "/account/login/", login=STAFF_EMAIL, password=password)
    endpoint = {"name": "Ours", "url": "http://127.0.0.1:9/hooks", "event_types": EVENTS}
    site.post("/workspace/webhooks/", "/workspace/webhooks/new/", **endpoint)
    buy_pack(site)

    stack.launch("gpu")
    stack.wait_for_worker()
    made = member.create("made whole")
    site.post("/", f"/generations/{made['id']}/mail/")
    site.video(made, state="succeeded")
    late = member.create("too late", model="hasty")
    site.post("/", f"/generations/{late['id']}/mail/")
    site.video(late, state="failed")
    lost = member.create("its worker is lost", model="endless")
    cancelled = member.create("cancelled in line", model="endless")
    site.video(lost, state="running")
    member.cancel(cancelled["id"])
    site.video(cancelled, state="cancelled")

    stack.kill("gpu")
    stack.kill(process_of("reports"))
    stack.launch("gpu")  # which hands back what it had; nobody hears it any more
    unsettled = member.create("made, and not yet settled")
    wait_until(lambda: f"finished-{unsettled['id']}-1" in site.ids("reports"), "its report waits")
    member.create("half made", model="endless")
    wait_until(lambda: site.valkey.zcard("rq:wip:render"), "the worker is at it")
    stack.kill("gpu")
    # By visitors: nobody has more than three under way at once.
    with Visitor(stack.url) as first, Visitor(stack.url) as second:
        for number in (1, 2, 3):
            first.create(f"in RQ {number}")
        site.lose_at_the_pop("render")
        wait_until(lambda: not site.valkey.keys("*worker:gpu-1"), "the worker's signs of life lapse")
        for number in (1, 2):
            second.create(f"in the fair queue {number}")
    for queue in QUEUES:
        assert len(site.ids(queue)) >= 2, f"{queue} holds {site.ids(queue)}"
        site.lose_at_the_pop(queue)


def buy_pack(site: Site) -> None:
    """Pay for a pack. Stripe tells the site, which has not looked at it yet."""
    page = site.member.client.get("/pricing/").text
    form = page[page.rindex('name="price"') :]
    found = re.search(r'value="(\d+)".*?name="order" value="([^"]+)"', form, re.S)
    assert found, "nothing is sold"
    address = site.post("/pricing/", "/billing/buy/", price=found[1], order=found[2])
    session = next(one["id"] for one in site.stripe.objects("checkout.session"))
    assert session in address
    site.stripe.pay(session)
    site.stripe.refund(next(one["id"] for one in site.stripe.objects("payment_intent")), 1)
    wait_until(lambda: len(site.ids("stripe")) >= 2, "Stripe's events are there")


# --- writing it down -------------------------------------------------------------------------------------------------


def spelled(value: bytes) -> Any:
    """Bytes of Valkey as JSON: text, what is deflated as ``{"deflated": text}``, anything else in base64."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        pass
    try:
        return {"deflated": zlib.decompress(value).decode()}
    except (zlib.error, UnicodeDecodeError):
        return {"base64": base64.b64encode(value).decode()}


def keys_of(valkey: Any) -> dict[str, Any]:
    """Every key that outlives the upgrade: its kind and what it holds."""
    kinds: dict[str, Callable[[bytes], Any]] = {
        "string": lambda key: spelled(valkey.get(key)),
        "list": lambda key: [spelled(one) for one in valkey.lrange(key, 0, -1)],
        "set": lambda key: sorted(spelled(one) for one in valkey.smembers(key)),
        "zset": lambda key: [[spelled(one), score] for one, score in valkey.zrange(key, 0, -1, withscores=True)],
        "hash": lambda key: {name.decode(): spelled(value) for name, value in valkey.hgetall(key).items()},
        "stream": lambda key: [
            [at.decode(), {name.decode(): spelled(value) for name, value in fields.items()}]
            for at, fields in valkey.xrange(key)
        ],
    }
    found = {}
    for key in sorted(valkey.keys("*")):
        kind = valkey.type(key).decode()
        if not 0 <= valkey.ttl(key) < SHORT_LIVED_SECONDS:
            found[key.decode()] = {"kind": kind, "holds": kinds[kind](key)}
    return found


def dump_of(stack: Stack) -> str:
    """Schema and rows as plain SQL, without what only ``psql`` reads."""
    command = [str(binaries() / "pg_dump"), "--no-owner", "--inserts", "--column-inserts", "--rows-per-insert=100"]
    command += ["--exclude-table-data=django_session", "--exclude-table-data=usersessions_usersession"]
    command.append(f"--dbname={stack.stores.database_url}")
    dumped = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    kept = (line for line in dumped.splitlines() if line and not line.startswith(("--", "\\")))
    return "\n".join(kept) + "\n"


def write(site: Site, folder: Path, state: Path) -> None:
    site.manage("shell", "-c", "from accounts.models import User; User.objects.update(password='!')")
    stack = site.stack
    files = {
        "database.sql": dump_of(stack),
        "valkey.json": json.dumps(keys_of(site.valkey), indent=1),
        "stripe.json": json.dumps(json.loads(state.read_text()), indent=1),
        "written.json": json.dumps({"written_at": time.time(), "secret_key": SECRET_KEY}, indent=1) + "\n",
    }
    places = {str(stack.folder / "media"): "@MEDIA@", stack.url: "@SITE@", site.stripe.url: "@STRIPE@"}
    places |= {f"{stack.folder.parent}/": "", json.dumps(socket.gethostname()): '"a-host"'}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        for place, mark in places.items():
            text = text.replace(place, mark)
        assert str(stack.folder.parent) not in text, f"{name} names a folder of this machine"
        (folder / name).write_text(text)


def keep_unsettled_clips(site: Site, folder: Path) -> None:
    """Copy what was delivered by workers whose reports still wait: the reports name its bytes."""
    for job_id in site.ids("reports"):
        made = site.stack.folder / "media" / "clips" / job_id.removeprefix("finished-").rpartition("-")[0]
        if job_id.startswith("finished-") and made.exists():
            shutil.copytree(made, folder / "clips" / made.name)


def main(folder: Path) -> None:
    port = free_port()
    with tempfile.TemporaryDirectory() as scratch:
        state = Path(scratch) / "stripe.json"
        with FakeStripeProcess(webhook_url=f"http://127.0.0.1:{port}/stripe/webhook/", state=state) as stripe:
            settings = {
                "SECRET_KEY": SECRET_KEY,
                "FREE_DAILY_CREDITS": "1000",
                "SIGNED_IN_DAILY_CREDITS": "1000",
                "GPU_WORKER_NAME": "gpu-1",
                "WEBHOOK_PRIVATE_NETWORKS": "127.0.0.0/8",
                "STRIPE_SECRET_KEY": "sk_test_imitation",
                "STRIPE_WEBHOOK_SECRETS": stripe.secret,
                "STRIPE_API_BASE": stripe.url,
            }
            with Stack(Path(scratch) / "site", processes=(), port=port, settings=settings) as stack:
                catalogue = Path(scratch) / "catalogue.yaml"
                models = [
                    MODEL.format(slug="endless", timeout_seconds=600),
                    MODEL.format(slug="hasty", timeout_seconds=30),
                ]
                catalogue.write_text("models:" + "".join(models))
                site = Site(stack, stripe)
                site.manage("catalog", "load", str(catalogue))
                for name in ("web", process_of("reports")):
                    stack.launch(name)
                stack.wait_for_site()
                try:
                    story(site)
                except BaseException:
                    for name in ("web", "gpu", process_of("reports")):
                        print(f"--- {name}: {stack.last_words(name, 3000)}")  # noqa: T201 - whoever writes a release reads it
                    raise
                write(site, folder, state)
                keep_unsettled_clips(site, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
