"""Who uses the site of ``benchmarks.chaos``: over HTTP alone, as anybody does, with patience for a site that is away.

Whoever hears no answer sends the same again: with the same ``Idempotency-Key``, the same form, the same reference. What
was acknowledged is remembered, since that must be there at the end.
"""

from __future__ import annotations

import io
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid5

import httpx
from PIL import Image

from benchmarks.chaos_plan import Step
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


def _picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (384, 384), "navy").save(file, "PNG")
    return file.getvalue()


PICTURE: Final = _picture()


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


class People:
    """Each method is an act of the plan; ``step`` names it, so that it can be told from the others."""

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
        self._noting = threading.Lock()

    def do(self, step: Step, number: int) -> str:
        """Have somebody do it. Returns how it went."""
        try:
            return str(getattr(self, step.what)(number, **step.said))
        except GaveUp as problem:
            return f"gave up: {problem}"

    def close(self) -> None:
        for person in (*self.everybody.values(), self.staff):
            person.client.close()

    # --- asking ----------------------------------------------------------------------------------------------------

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
        with self._noting:
            self.statuses[answer.status_code] += 1
            if answer.status_code >= 500 and answer.status_code not in IS_AWAY:
                self.faults.append(f"{method} {path} answered {answer.status_code}: {answer.text[:200]!r}")

    def _arrive(self, person: Person) -> None:
        """Have the cookies that a page gives, and be signed in whoever has an account."""
        if person.key:
            return
        if not person.email:
            if "csrftoken" not in person.client.cookies:
                self.send(person, "GET", "/")
            return
        if self.send(person, "GET", "/workspaces/").status_code == 200:  # which leads strangers to the sign-in
            return
        if not self._signs_in(person, "/account/login/", PASSWORD):
            raise GaveUp("signing in")

    def _signs_in(self, person: Person, address: str, password: str) -> bool:
        page = self.send(person, "GET", address, follow_redirects=True)
        form = post_of(page.text) | {"login": person.email, "password": password}
        return self.send(person, "POST", page.url.path, data=form).status_code == 302

    def _name(self, number: int, place: int = 0) -> str:
        return f"{self.seed}-{number}-{place}"

    def _uuid(self, number: int) -> str:
        return str(uuid5(NAMES, self._name(number)))

    def _made(self, person: Person, video_id: str, asked: str) -> None:
        """Remember what was acknowledged. Two clips for one thing are a fault, whoever finds it out."""
        with self._noting:
            known = self.said.asked.setdefault(asked, video_id)
            if known != video_id:
                self.faults.append(f"{asked} was answered with {known} and with {video_id}")
            self.said.clips[video_id] = person.name
        person.clips.append(video_id)

    def ask(self, number: int, who: str, **clip: Any) -> str:
        """One clip through the API, by a visitor's or a member's browser or by a program."""
        person = self.everybody[who]
        with person.lock:
            self._arrive(person)
            name = self._name(number)
            body = {"prompt": f"a red circle moving right, take {number}", "user_ref": name, **clip}
            answer = self.send(person, "POST", "/v1/videos", json=body, headers={"Idempotency-Key": name})
            if answer.is_error:
                return _refused(answer)
            self._made(person, answer.json()["id"], name)
            return str(answer.json()["id"])

    def ask_by_page(self, number: int, who: str, sends_twice: bool, has_picture: bool, **clip: Any) -> str:
        """By the form of the first page, without JavaScript; sometimes with a picture, sometimes sent twice."""
        person = self.everybody[who]
        with person.lock:
            self._arrive(person)
            page = self.send(person, "GET", "/")
            form = {"csrfmiddlewaretoken": post_of(page.text).get("csrfmiddlewaretoken", "")}
            form |= {"prompt": f"a blue star, take {number}", "sending": self._uuid(number), "model": ""}
            form |= {name: str(value) for name, value in clip.items()}
            files = {"image": ("first.png", PICTURE, "image/png")} if has_picture else None
            for _ in range(1 + sends_twice):
                answer = self.send(person, "POST", "/generations/", data=form, files=files)
                if answer.status_code != 302:
                    return _refused(answer)
                self._made(person, answer.headers["location"].split("/")[2], self._name(number))
            return person.clips[-1]

    def ask_for_many(self, number: int, who: str, clips: list[dict[str, Any]]) -> str:
        """A batch: all of it, or nothing."""
        person = self.everybody[who]
        with person.lock:
            names = [self._name(number, place) for place in range(1, 1 + len(clips))]
            videos = [
                {"prompt": f"a green square, take {number}", "user_ref": name, **clip}
                for name, clip in zip(names, clips, strict=True)
            ]
            headers = {"Idempotency-Key": self._name(number)}
            answer = self.send(person, "POST", "/v1/videos/batches", json={"videos": videos}, headers=headers)
            if answer.is_error:
                return _refused(answer)
            for name, video in zip(names, answer.json()["data"], strict=True):
                self._made(person, video["id"], name)
            return f"{len(names)} clips"

    def ask_for_mail(self, number: int, who: str, which: float) -> str:
        """To be told by mail when one of the last clips has ended."""
        person = self.everybody[who]
        with person.lock:
            if not person.clips:
                return "has none"
            self._arrive(person)
            answer = self.send(person, "POST", f"/generations/{_pick(person.clips[-3:], which)}/mail/")
            return _refused(answer)

    def look(self, number: int, who: str) -> str:
        """The list, and a page or two."""
        person = self.everybody[who]
        with person.lock:
            self._arrive(person)
            pages = ("/v1/videos", "/v1/me") if person.key else ("/history/", "/billing/", "/pricing/", "/status/")
            return " ".join(str(self.send(person, "GET", page).status_code) for page in pages)

    def watch(self, number: int, who: str, which: float) -> str:
        """A clip's live events for a while."""
        person = self.everybody[who]
        if not person.clips:
            return "has none"
        video_id, until, heard = _pick(person.clips, which), time.monotonic() + WATCHES_SECONDS, 0
        try:
            with person.client.stream("GET", f"/v1/videos/{video_id}/events", headers=person.headers) as answer:
                for line in answer.iter_lines():
                    heard += line.startswith("event:")
                    if time.monotonic() > until or line == "event: done":
                        break
        except httpx.HTTPError as problem:
            return f"{heard} events, then {type(problem).__name__}"
        return f"{heard} events"

    def cancel(self, number: int, who: str, which: float) -> str:
        person = self.everybody[who]
        with person.lock:
            if not person.clips:
                return "has none"
            self._arrive(person)
            answer = self.send(person, "POST", f"/v1/videos/{_pick(person.clips[-3:], which)}/cancel")
            return _refused(answer) if answer.is_error else str(answer.json()["lm"]["state"])

    def delete(self, number: int, who: str, which: float) -> str:
        person = self.everybody[who]
        with person.lock:
            if not person.clips:
                return "has none"
            self._arrive(person)
            answer = self.send(person, "DELETE", f"/v1/videos/{_pick(person.clips, which)}")
            return _refused(answer) if answer.is_error else "deleted"

    # --- paying ----------------------------------------------------------------------------------------------------

    def buy(self, number: int, **said: Any) -> str:
        return self._buy(number, is_plan=False, **said)

    def subscribe(self, number: int, **said: Any) -> str:
        return self._buy(number, is_plan=True, **said)

    def _buy(
        self, number: int, *, is_plan: bool, who: str, which: float, sends_twice: bool, pays: bool, comes_back: bool
    ) -> str:
        """Press the button on the pricing page, pay at Stripe's, come back or close the window."""
        person = self.everybody[who]
        with person.lock:
            self._arrive(person)
            token = post_of(self.send(person, "GET", "/pricing/").text).get("csrfmiddlewaretoken", "")
            prices = self.known.plans if is_plan else self.known.packs
            form = {"csrfmiddlewaretoken": token, "price": _pick(prices, which), "order": self._uuid(number)}
            addresses = set()
            for _ in range(1 + sends_twice):
                answer = self.send(person, "POST", "/billing/buy/", data=form)
                if answer.status_code != 302 or "/c/pay/" not in answer.headers["location"]:
                    return _refused(answer)
                addresses.add(answer.headers["location"])
            if len(addresses) != 1:
                self._fault(f"one order led to {len(addresses)} pay pages")
            session = addresses.pop().rstrip("/").rpartition("/")[2]
            if not pays:
                return f"looked at {session}"
            try:
                self.stripe.pay(session)
            except OSError:
                return f"{session} was declined, or is shut"
            with self._noting:
                self.said.paid.append(session)
            if comes_back:
                self.send(person, "GET", f"/billing/orders/{form['order']}/")
            return f"paid {session}"

    def refund(self, number: int, which: float, share: float, is_won: bool) -> str:
        charges = [one for one in self.stripe.objects("charge") if one["amount"] > one["amount_refunded"]]
        if not charges:
            return "nothing is paid"
        charge = _pick(charges, which)
        amount = max(1, int(share * (charge["amount"] - charge["amount_refunded"])))
        return self._at_the_counter("refund", payment_intent=charge["payment_intent"], amount=amount)

    def dispute(self, number: int, which: float, share: float, is_won: bool) -> str:
        """Somebody disputes a payment, or a dispute ends."""
        for one in self.stripe.objects("dispute"):
            if one["status"] == "needs_response":
                return self._at_the_counter("close-dispute", dispute_id=one["id"], status="won" if is_won else "lost")
        charges = [one for one in self.stripe.objects("charge") if not one["disputed"] and not one["refunded"]]
        if not charges:
            return "nothing is paid"
        return self._at_the_counter("dispute", charge_id=_pick(charges, which)["id"], amount=None)

    def disturb_stripe(self, number: int, request: str, when: str) -> str:
        return self._at_the_counter("fail", request=request, when=when)

    def disturb_events(self, number: int, **asked: Any) -> str:
        return self._at_the_counter("chaos", **asked)

    def _at_the_counter(self, what: str, **asked: Any) -> str:
        try:
            self.stripe.control(what, **asked)
        except OSError as problem:
            return f"refused: {problem}"
        return "done"

    def disturb_receiver(self, number: int, status: int, times: int) -> str:
        self.bad_answers(status, times)
        return "done"

    # --- staff -----------------------------------------------------------------------------------------------------

    def post_as_staff(self, address: str, **form: Any) -> str:
        """Send a form of the admin's, signed in again where that was lost."""
        person = self.staff
        answer = self._sent_as_staff(address, form)
        if answer.status_code == 403 or "/login/" in answer.headers.get("location", ""):
            if not self._signs_in(person, "/admin/login/", self.known.staff_password):
                raise GaveUp("staff is not let in")
            answer = self._sent_as_staff(address, form)
        return "done" if answer.status_code == 302 else _refused(answer)

    def _sent_as_staff(self, address: str, form: dict[str, Any]) -> httpx.Response:
        token = self.staff.client.cookies.get("csrftoken") or ""
        return self.send(self.staff, "POST", address, data={"csrfmiddlewaretoken": token, **form})

    def give_credits(self, number: int, who: str, credits: int, sends_twice: bool) -> str:
        person = self.everybody[who]
        with self.staff.lock:
            if not person.workspace:
                return "has no workspace that staff knows of"
            reference = self._uuid(number)
            form = {"give": credits, "reason": "It took long.", "reference": reference}
            for _ in range(1 + sends_twice):
                done = self.post_as_staff(f"/admin/customers/{person.workspace}/credits/", **form)
            if done == "done":
                with self._noting:
                    self.said.gifts[reference] = (person.workspace, credits)
            return done

    def price(self, number: int, model: str, millicredits: int) -> str:
        """Open the model's form and save it with another price."""
        address = f"/admin/catalog/model/{self.known.models[model]}/change/"
        with self.staff.lock:
            page = self.send(self.staff, "GET", address)
            if page.status_code != 200:
                self._signs_in(self.staff, "/admin/login/", self.known.staff_password)
                page = self.send(self.staff, "GET", address)
            if page.status_code != 200:
                return _refused(page)
            form = post_of(page.text) | {"prices": f"standard: {{360p: {millicredits}}}", "note": f"Step {number}"}
            return self.post_as_staff(address, **form)

    def make_default(self, number: int, model: str) -> str:
        with self.staff.lock:
            return self.post_as_staff(f"/admin/catalogue/{self.known.models[model]}/default/")

    def switch_model(self, number: int, model: str) -> str:
        """Disable it where it is enabled, and the other way round."""
        with self.staff.lock:
            act = "enable" if model in self.disabled else "disable"
            done = self.post_as_staff(f"/admin/catalogue/{self.known.models[model]}/{act}/")
            if done == "done":
                self.disabled ^= {model}
            return f"{act}: {done}"

    def staff_cancels(self, number: int, who: str, which: float) -> str:
        return self._to_a_clip("cancel", who, which)

    def staff_retries(self, number: int, who: str, which: float) -> str:
        return self._to_a_clip("retry", who, which)

    def _to_a_clip(self, act: str, who: str, which: float) -> str:
        clips = self.everybody[who].clips[-3:]
        if not clips:
            return "has none"
        with self.staff.lock:
            return self.post_as_staff(f"/admin/clips/{_pick(clips, which)}/{act}/")

    def suspend(self, number: int, who: str) -> str:
        """Suspend a visitor's workspace; the second time it is let back."""
        person = self.everybody[who]
        with self.staff.lock:
            if not person.workspace:
                return "has no workspace that staff knows of"
            act = "unsuspend" if who in self.suspended else "suspend"
            done = self.post_as_staff(f"/admin/customers/{person.workspace}/{act}/", reason="A look at it.")
            if done == "done":
                self.suspended ^= {who}
            return f"{act}: {done}"

    def drain(self, number: int) -> str:
        """Have the GPU worker take nothing more, and take it back half a minute later, or when all is over."""
        with self.staff.lock:
            done = self.post_as_staff("/admin/fleet/drain/", worker=WORKER)
        time.sleep(PAUSE_SECONDS)
        with self.staff.lock:
            return f"{done}, {self.post_as_staff('/admin/fleet/resume/', worker=WORKER)}"

    def _fault(self, words: str) -> None:
        with self._noting:
            self.faults.append(words)


WORKER: Final = "gpu-of-chaos"
"""``GPU_WORKER_NAME``: the same after each death, so that staff can name it."""


def _pick(choices: Any, which: float) -> Any:
    """One of them, by a number from 0 to below 1."""
    return choices[int(which * len(choices))]


def _refused(answer: httpx.Response) -> str:
    try:
        said = answer.json()["error"]["code"]
    except (ValueError, KeyError, TypeError):
        said = ""
    return f"{answer.status_code} {said}".strip()
