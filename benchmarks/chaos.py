"""A whole site on which everything dies again and again while people use it, and what is true of it afterwards.

    python -m benchmarks.chaos --seed 1                 # a minute
    python -m benchmarks.chaos --seed 1 --minutes 60    # by hand, on a machine with nothing else to do

Visitors, members and programs ask for clips, watch, cancel and delete them, buy credits and plans; Stripe's events
come twice, late, in any order or not at all; staff gives credits, changes prices, swaps the default, disables models.
All the while processes are killed, ended and stopped, Valkey comes back empty and PostgreSQL falls over. Then all is
started again, the site gets quiet, and it is asked: is each clip that was acknowledged there, and does its file play;
do the books say what Stripe says; was anything charged, granted or made twice; was each end told, under one id.

What happens follows from the seed (``chaos_plan``). Where something is wrong the story is printed, the site's folder
with its logs and tables is kept, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Final

from benchmarks import chaos_checks, machine
from benchmarks.chaos_deaths import Deaths
from benchmarks.chaos_people import People
from benchmarks.chaos_plan import PROCESSES, Step, plan
from benchmarks.chaos_site import log_summary, memory, prepare, settings_of
from benchmarks.chaos_staff import WORKER
from benchmarks.chaos_story import Finding, Story
from loremotion.local.ports import free_port
from loremotion.local.stack import Stack
from tests.fake_stripe.process import FakeStripeProcess
from tests.webhooks.receiver import Receiver

HANDS: Final = 12
"""Things that people do at a time."""
QUIET_SECONDS: Final = 600.0
"""For all that is open to end: a claim lapses after two minutes, a clip that hangs after its timeout."""


class Log:
    """The story as it went, with times."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.lines: list[str] = []
        self._lock = threading.Lock()

    def note(self, words: str) -> None:
        with self._lock:
            self.lines.append(f"{time.monotonic() - self.began:7.1f} s  {words}")


class BadAnswers:
    """A receiver of webhooks that is out of order for a while."""

    def __init__(self) -> None:
        self._left = 0
        self._status = 500
        self._lock = threading.Lock()

    def begin(self, status: int, times: int) -> None:
        with self._lock:
            self._status, self._left = status, times

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        with self._lock:
            is_bad, self._left = self._left > 0, max(0, self._left - 1)
        handler.send_response(self._status if is_bad else 200)
        handler.end_headers()


def play(steps: list[Step], people: People, deaths: Deaths, log: Log, seconds: float) -> None:
    """Have all of it happen, each thing at its time, or as soon after as somebody has a hand free."""

    def act(step: Step, number: int) -> None:
        log.note(f"#{number} {step}")
        try:
            log.note(f"#{number} … {people.do(step, number)}")
        except Exception as problem:
            people.faults.append(f"#{number} {step}: {type(problem).__name__}: {problem}")

    began = time.monotonic()
    with ThreadPoolExecutor(HANDS) as hands:
        waiting = list(enumerate(steps))[::-1]
        while waiting or time.monotonic() - began < seconds:
            for back in deaths.heal_due():
                log.note(f"{back} is back")
            if waiting and time.monotonic() - began >= waiting[-1][1].at_seconds:
                number, step = waiting.pop()
                if not step.is_death:
                    hands.submit(act, step, number)
                elif getattr(deaths, step.what)(**step.said):
                    log.note(f"#{number} {step}")
            else:
                time.sleep(0.05)
        log.note("all is started again")
        deaths.heal_due(everything=True)


def get_quiet(people: People, deaths: Deaths, log: Log) -> list[str]:
    """Undo what keeps the site from working, and wait until nothing is open. Returns what stays open."""
    from django.db import connection

    deaths.stack.wait_for_site()
    people.stripe.control("heal")
    people.stripe.control("chaos")
    people.bad_answers(200, 0)
    for who in sorted(people.suspended):
        people.suspend(-1, who)
    with people.staff.lock:
        people.post_as_staff("/admin/fleet/resume/", worker=WORKER)
    deadline = time.monotonic() + QUIET_SECONDS
    while True:
        deaths.heal_due()
        try:
            chaos_checks.skip_pauses()
            left = chaos_checks.what_is_open()
        finally:
            connection.close()
        log.note(f"open: {left or 'nothing'}")
        if not left or time.monotonic() > deadline:
            return [f"{count} {name} stay open" for name, count in left.items()]
        time.sleep(3)


def run(folder: Path, seed: int, seconds: float, log: Log, *, is_prepared: bool = False) -> list[str]:
    """Tell the story of ``seed`` in ``folder``, print what came of it, and return what is wrong."""
    port, answers = free_port(), BadAnswers()
    with (
        FakeStripeProcess(
            webhook_url=f"http://127.0.0.1:{port}/stripe/webhook/", state=folder / "stripe.json"
        ) as stripe,
        Receiver(answering=answers.answer) as receiver,
        Stack(
            folder, processes=(), port=port, is_durable=True, is_prepared=is_prepared, settings=settings_of(stripe)
        ) as stack,
    ):
        os.environ |= stack.environment | {"DJANGO_SETTINGS_MODULE": "loremotion.settings"}
        known = prepare(folder, receiver)
        for name in PROCESSES:
            stack.launch(name)
        stack.wait_for_site()
        stack.wait_for_worker()
        people, deaths = People(stack.url, stripe, known, seed), Deaths(stack)
        people.bad_answers = answers.begin
        log.began = time.monotonic()
        steps = plan(seed, seconds)
        play(steps, people, deaths, log, seconds)
        wrong = get_quiet(people, deaths, log)
        took = time.monotonic() - log.began
        people.close()
        story = Story(
            people.said,
            stripe,
            receiver.heard,
            Path(stack.environment["MEDIA_DIR"]),
            Path(stack.environment["MAIL_DIR"]),
        )
        findings = chaos_checks.ask_all(story)
        findings.append(
            Finding("nobody was answered what nobody should be", sum(people.statuses.values()), people.faults)
        )
        print(f"{machine.facts()}; load at the end {os.getloadavg()[0]:.1f}\n")
        deaths_of = Counter(step.what for step in steps if step.is_death)
        print(
            f"Seed {seed}: {seconds:.0f} s and {took - seconds:.0f} s until all was quiet, {len(steps)} steps, of them"
        )
        print(", ".join(f"{count} {what.replace('_', ' ')}" for what, count in deaths_of.most_common()))
        print(f"Answers: {', '.join(f'{count} × {status}' for status, count in sorted(people.statuses.items()))}\n")
        print("| after all that | looked at | wrong |\n|---|---|---|")
        for finding in findings:
            print(f"| {finding.name} | {finding.looked_at:,} | {len(finding.wrong)} |")
        sizes = memory(stack)
        print("\nMiB in memory: " + ", ".join(f"{name} {size / 2**20:.0f}" for name, size in sizes.items()))
        if logged := log_summary(stack):
            print("\nLogged as errors:\n" + "\n".join(f"  {count} × {said}" for said, count in logged.most_common(30)))
    wrong += [f"{finding.name}: {one}" for finding in findings for one in finding.wrong]
    return wrong


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--site", type=Path, help="a folder that a stack has prepared (tests.prepared_site)")
    parser.add_argument("--story", action="store_true", help="print it although nothing is wrong")
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that its servers end with it
    folder, log = asked.site or Path(tempfile.mkdtemp(prefix="loremotion-chaos-")), Log()
    wrong = run(folder, asked.seed, 60 * asked.minutes, log, is_prepared=asked.site is not None)
    if wrong or asked.story:
        print("\nThe story:\n" + "\n".join(log.lines))
    if not wrong:
        shutil.rmtree(folder)
        print("\nNothing is wrong.")
        return 0
    print(f"\nWrong, the folder {folder} is kept:\n" + "\n".join(f"  {one}" for one in wrong))
    return 1


if __name__ == "__main__":
    sys.exit(main())
