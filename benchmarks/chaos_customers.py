"""What visitors, members and programs do on the site of ``benchmarks.chaos``: clips, and paying for them."""

from __future__ import annotations

import io
import time
from typing import Any, Final

import httpx
from PIL import Image

from benchmarks.chaos_crowd import WATCHES_SECONDS, Crowd, pick, refused
from tests.catalog.form_post import post_of


def _picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (384, 384), "navy").save(file, "PNG")
    return file.getvalue()


PICTURE: Final = _picture()


class Customers(Crowd):
    """Each method is an act of the plan; ``number`` names the step, so that it can be told from the others."""

    def ask(self, number: int, who: str, **clip: Any) -> str:
        """One clip through the API, by a visitor's or a member's browser or by a program."""
        person = self.everybody[who]
        with person.lock:
            self.arrive(person)
            name = self.name_of(number)
            body = {"prompt": f"a red circle moving right, take {number}", "user_ref": name, **clip}
            answer = self.send(person, "POST", "/v1/videos", json=body, headers={"Idempotency-Key": name})
            if answer.is_error:
                return refused(answer)
            self.acknowledge(person, answer.json()["id"], name)
            return str(answer.json()["id"])

    def ask_by_page(self, number: int, who: str, sends_twice: bool, has_picture: bool, **clip: Any) -> str:
        """By the form of the first page, without JavaScript; sometimes with a picture, sometimes sent twice."""
        person = self.everybody[who]
        with person.lock:
            self.arrive(person)
            page = self.send(person, "GET", "/")
            form = {"csrfmiddlewaretoken": post_of(page.text).get("csrfmiddlewaretoken", "")}
            form |= {"prompt": f"a blue star, take {number}", "sending": self.uuid_of(number), "model": ""}
            form |= {name: str(value) for name, value in clip.items()}
            files = {"image": ("first.png", PICTURE, "image/png")} if has_picture else None
            for _ in range(1 + sends_twice):
                answer = self.send(person, "POST", "/generations/", data=form, files=files)
                if answer.status_code != 302:
                    return refused(answer)
                self.acknowledge(person, answer.headers["location"].split("/")[2], self.name_of(number))
            return person.clips[-1]

    def ask_for_many(self, number: int, who: str, clips: list[dict[str, Any]]) -> str:
        """A batch: all of it, or nothing."""
        person = self.everybody[who]
        with person.lock:
            names = [self.name_of(number, place) for place in range(1, 1 + len(clips))]
            videos = [
                {"prompt": f"a green square, take {number}", "user_ref": name, **clip}
                for name, clip in zip(names, clips, strict=True)
            ]
            headers = {"Idempotency-Key": self.name_of(number)}
            answer = self.send(person, "POST", "/v1/videos/batches", json={"videos": videos}, headers=headers)
            if answer.is_error:
                return refused(answer)
            for name, video in zip(names, answer.json()["data"], strict=True):
                self.acknowledge(person, video["id"], name)
            return f"{len(names)} clips"

    def ask_for_mail(self, number: int, who: str, which: float) -> str:
        """To be told by mail when one of the last clips has ended."""
        person = self.everybody[who]
        with person.lock:
            if not person.clips:
                return "has none"
            self.arrive(person)
            answer = self.send(person, "POST", f"/generations/{pick(person.clips[-3:], which)}/mail/")
            return refused(answer)

    def look(self, number: int, who: str) -> str:
        """The list, and a page or two."""
        person = self.everybody[who]
        with person.lock:
            self.arrive(person)
            pages = ("/v1/videos", "/v1/me") if person.key else ("/history/", "/billing/", "/pricing/", "/status/")
            return " ".join(str(self.send(person, "GET", page).status_code) for page in pages)

    def watch(self, number: int, who: str, which: float) -> str:
        """A clip's live events for a while."""
        person = self.everybody[who]
        if not person.clips:
            return "has none"
        video_id, until, heard = pick(person.clips, which), time.monotonic() + WATCHES_SECONDS, 0
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
            self.arrive(person)
            answer = self.send(person, "POST", f"/v1/videos/{pick(person.clips[-3:], which)}/cancel")
            return refused(answer) if answer.is_error else str(answer.json()["lm"]["state"])

    def delete(self, number: int, who: str, which: float) -> str:
        person = self.everybody[who]
        with person.lock:
            if not person.clips:
                return "has none"
            self.arrive(person)
            answer = self.send(person, "DELETE", f"/v1/videos/{pick(person.clips, which)}")
            return refused(answer) if answer.is_error else "deleted"

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
            self.arrive(person)
            token = post_of(self.send(person, "GET", "/pricing/").text).get("csrfmiddlewaretoken", "")
            prices = self.known.plans if is_plan else self.known.packs
            form = {"csrfmiddlewaretoken": token, "price": pick(prices, which), "order": self.uuid_of(number)}
            addresses = set()
            for _ in range(1 + sends_twice):
                answer = self.send(person, "POST", "/billing/buy/", data=form)
                if answer.status_code != 302 or "/c/pay/" not in answer.headers["location"]:
                    return refused(answer)
                addresses.add(answer.headers["location"])
            if len(addresses) != 1:
                self.note_fault(f"one order led to {len(addresses)} pay pages")
            session = addresses.pop().rstrip("/").rpartition("/")[2]
            if not pays:
                return f"looked at {session}"
            try:
                self.stripe.pay(session)
            except OSError:
                return f"{session} was declined, or is shut"
            with self.noting:
                self.said.paid.append(session)
            if comes_back:
                self.send(person, "GET", f"/billing/orders/{form['order']}/")
            return f"paid {session}"

    def refund(self, number: int, which: float, share: float, is_won: bool) -> str:
        charges = [one for one in self.stripe.objects("charge") if one["amount"] > one["amount_refunded"]]
        if not charges:
            return "nothing is paid"
        charge = pick(charges, which)
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
        return self._at_the_counter("dispute", charge_id=pick(charges, which)["id"], amount=None)

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
