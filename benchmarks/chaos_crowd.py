"""People who use the site of ``benchmarks.chaos``: what they bring along, what they know, and how they send something.

Over HTTP alone, as anybody does, with patience for a site that is away. Whoever hears no answer sends the same again:
with the same ``Idempotency-Key``, the same form, the same reference. What was acknowledged is remembered, since that
must be there at the end.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid5

import httpx

from tests.catalog.form_post import post_of
from tests.fake_stripe.process import FakeStripeProcess

TRIES: Final = 5
PAUSE_SECONDS: Final = 1.5
PATIENCE_SECONDS: Final = 10.0
WATCHES_SECONDS: Final = 20.0
PASSWORD: Final = "correct horse battery staple"
NAMES: Final = UUID(int=21)
"""Under which references and forms of the story are named, so that they follow from the seed too."""
IS_AWAY: Final = (502, 503, 504)


class GaveUp(Exception):
    """Nobody answered, however often it was sent."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What somebody brings along."""

    workspace: str
    key: str = ""
    email: str = ""
    cookies: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """What there is before the story begins."""

    people: dict[str, Facts]
    staff_email: str
    staff_password: str
    models: dict[str, int]
    packs: list[int]
    plans: list[int]


@dataclass
class Person:
    """Somebody at a browser, or a program with a key."""

    name: str
    client: httpx.Client
    workspace: str = ""
    key: str = ""
    email: str = ""
    clips: list[str] = field(default_factory=list)
    """Those that they know of."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """They do one thing after the other."""

    @property
    def headers(self) -> dict[str, str]:
        if self.key:
            return {"Authorization": f"Bearer {self.key}"}
        return {"X-CSRFToken": self.client.cookies.get("csrftoken") or "", "Referer": str(self.client.base_url)}


@dataclass
class Acknowledged:
    """What the site said that it had done."""

    clips: dict[str, str] = field(default_factory=dict)
    """Its id → whose."""
    asked: dict[str, str] = field(default_factory=dict)
    """Name of what was asked for → the clip's id. Two sendings of one thing have one name."""
    gifts: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Reference → to which workspace, and how many credits."""
    paid: list[str] = field(default_factory=list)
    """Checkout sessions whose payment Stripe has taken."""


class Crowd:
    """Everybody, and what the site has acknowledged to them."""

    def __init__(self, url: str, stripe: FakeStripeProcess, known: Known, seed: int) -> None:
        self.seed, self.stripe, self.known = seed, stripe, known
        self.everybody: dict[str, Person] = {}
        for name, facts in known.people.items():
            client = httpx.Client(base_url=url, timeout=PATIENCE_SECONDS)
            client.cookies.update(facts.cookies)
            self.everybody[name] = Person(name, client, facts.workspace, facts.key, facts.email)
        client = httpx.Client(base_url=url, timeout=PATIENCE_SECONDS)
        self.staff = Person("staff", client, email=known.staff_email)
        self.said = Acknowledged()
        self.statuses: Counter[int] = Counter()
        self.faults: list[str] = []
        """Answers that nobody should ever get."""
        self.suspended: set[str] = set()
        self.disabled: set[str] = set()
        self.bad_answers: Callable[[int, int], None] = lambda status, times: None
        """Has the receiver of webhooks answer so for a while."""
        self.noting = threading.Lock()

    def send(self, person: Person, method: str, path: str, **asked: Any) -> httpx.Response:
        """Send it until somebody answers.

        Raises:
            GaveUp: nobody did.
        """
        heard = ""
        for attempt in range(TRIES):
            if attempt:
                time.sleep(PAUSE_SECONDS)
            headers = {**person.headers, **asked.get("headers", {})}
            try:
                answer = person.client.request(method, path, **{**asked, "headers": headers})
            except httpx.HTTPError as problem:
                heard = type(problem).__name__
                continue
            self._note(method, path, answer)
            if answer.status_code < 500:
                return answer
            heard = str(answer.status_code)
        raise GaveUp(f"{method} {path}: {heard}")

    def _note(self, method: str, path: str, answer: httpx.Response) -> None:
        with self.noting:
            self.statuses[answer.status_code] += 1
            if answer.status_code >= 500 and answer.status_code not in IS_AWAY:
                self.faults.append(f"{method} {path} answered {answer.status_code}: {answer.text[:200]!r}")

    def arrive(self, person: Person) -> None:
        """Have the cookies that a page gives, and be signed in whoever has an account."""
        if person.key:
            return
        if not person.email:
            if "csrftoken" not in person.client.cookies:
                self.send(person, "GET", "/")
            return
        if self.send(person, "GET", "/workspaces/").status_code == 200:  # which leads strangers to the sign-in
            return
        if not self.sign_in(person, "/account/login/", PASSWORD):
            raise GaveUp("signing in")

    def sign_in(self, person: Person, address: str, password: str) -> bool:
        page = self.send(person, "GET", address, follow_redirects=True)
        form = post_of(page.text) | {"login": person.email, "password": password}
        return self.send(person, "POST", page.url.path, data=form).status_code == 302

    def name_of(self, number: int, place: int = 0) -> str:
        return f"{self.seed}-{number}-{place}"

    def uuid_of(self, number: int) -> str:
        return str(uuid5(NAMES, self.name_of(number)))

    def acknowledge(self, person: Person, video_id: str, asked: str) -> None:
        """Remember what was acknowledged. Two clips for one thing are a fault, whoever finds it out."""
        with self.noting:
            known = self.said.asked.setdefault(asked, video_id)
            if known != video_id:
                self.faults.append(f"{asked} was answered with {known} and with {video_id}")
            self.said.clips[video_id] = person.name
        person.clips.append(video_id)

    def note_fault(self, words: str) -> None:
        with self.noting:
            self.faults.append(words)


def pick(choices: Any, which: float) -> Any:
    """One of them, by a number from 0 to below 1."""
    return choices[int(which * len(choices))]


def refused(answer: httpx.Response) -> str:
    try:
        said = answer.json()["error"]["code"]
    except (ValueError, KeyError, TypeError):
        said = ""
    return f"{answer.status_code} {said}".strip()
