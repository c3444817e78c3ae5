"""What staff does meanwhile in the admin of the site of ``benchmarks.chaos``."""

from __future__ import annotations

import time
from typing import Any, Final

import httpx

from benchmarks.chaos_crowd import PAUSE_SECONDS, Crowd, GaveUp, pick, refused
from tests.catalog.form_post import post_of

WORKER: Final = "gpu-of-chaos"
"""``GPU_WORKER_NAME``: the same after each death, so that staff can name it."""


class Staff(Crowd):
    """Each method is an act of the plan; ``number`` names the step, so that it can be told from the others."""

    def post_as_staff(self, address: str, **form: Any) -> str:
        """Send a form of the admin's, signed in again where that was lost."""
        person = self.staff
        answer = self._sent_as_staff(address, form)
        if answer.status_code == 403 or "/login/" in answer.headers.get("location", ""):
            if not self.sign_in(person, "/admin/login/", self.known.staff_password):
                raise GaveUp("staff is not let in")
            answer = self._sent_as_staff(address, form)
        return "done" if answer.status_code == 302 else refused(answer)

    def _sent_as_staff(self, address: str, form: dict[str, Any]) -> httpx.Response:
        token = self.staff.client.cookies.get("csrftoken") or ""
        return self.send(self.staff, "POST", address, data={"csrfmiddlewaretoken": token, **form})

    def give_credits(self, number: int, who: str, credits: int, sends_twice: bool) -> str:
        person = self.everybody[who]
        with self.staff.lock:
            if not person.workspace:
                return "has no workspace that staff knows of"
            reference = self.uuid_of(number)
            form = {"give": credits, "reason": "It took long.", "reference": reference}
            for _ in range(1 + sends_twice):
                done = self.post_as_staff(f"/admin/customers/{person.workspace}/credits/", **form)
            if done == "done":
                with self.noting:
                    self.said.gifts[reference] = (person.workspace, credits)
            return done

    def price(self, number: int, model: str, millicredits: int) -> str:
        """Open the model's form and save it with another price."""
        address = f"/admin/catalog/model/{self.known.models[model]}/change/"
        with self.staff.lock:
            page = self.send(self.staff, "GET", address)
            if page.status_code != 200:
                self.sign_in(self.staff, "/admin/login/", self.known.staff_password)
                page = self.send(self.staff, "GET", address)
            if page.status_code != 200:
                return refused(page)
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
            return self.post_as_staff(f"/admin/clips/{pick(clips, which)}/{act}/")

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
