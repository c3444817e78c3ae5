"""What people and programs do of which a site waits for somebody."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import uuid4

import httpx
import psycopg
from PIL import Image

from accounts import passwords
from generation.provenance import inspection_slots
from generation.submission import pictures
from loremotion.local.stack import Stack
from loremotion.local.visitor import Visitor
from tests.patience import PATIENCE_SECONDS
from tests.patient_site import servers

POOL: Final = 2
"""Connections that the site has."""
MANY: Final = POOL + 2


@dataclass(frozen=True, slots=True)
class Visitors:
    """The first two newcomers of their network: those after them bring a proof."""

    site: Stack
    first: Visitor
    finished_id: str
    """A clip of the first, as large as those of real models."""
    second: Visitor
    open_id: str
    """A clip of the second, which nobody makes."""

    def browser(self, number: int) -> httpx.Client:
        return (self.first, self.second)[number % 2].client


def form_of(browser: httpx.Client) -> dict[str, str]:
    return {"csrfmiddlewaretoken": token_of(browser)["X-CSRFToken"]}


def token_of(browser: httpx.Client) -> dict[str, str]:
    if "csrftoken" not in browser.cookies:
        browser.get("/")
    return {"X-CSRFToken": browser.cookies["csrftoken"]}


def price_of_a_pack(site: Stack) -> str:
    with psycopg.connect(site.stores.database_url) as database:
        found: Any = database.execute("SELECT id FROM shop_price WHERE pack_id IS NOT NULL LIMIT 1").fetchone()
    return str(found[0])


def buy(visitors: Visitors, number: int) -> httpx.Response:
    browser = visitors.first.client
    form = {**form_of(browser), "price": price_of_a_pack(visitors.site), "order": str(uuid4())}
    return browser.post("/billing/buy/", data=form)


def as_stranger(visitors: Visitors, address: str, **form: str) -> httpx.Response:
    with httpx.Client(base_url=visitors.site.url, timeout=PATIENCE_SECONDS) as stranger:
        return stranger.post(address, data={**form_of(stranger), **form})


def come_anew(visitors: Visitors, number: int) -> httpx.Response:
    return as_stranger(visitors, "/generations/", **{"prompt": "a fox", "cf-turnstile-response": "good"})


def sign_in_elsewhere(visitors: Visitors, number: int) -> httpx.Response:
    """By a provider, whose answers the site waits for."""
    return as_stranger(visitors, "/account/oidc/sso/login/")


def sign_in(visitors: Visitors, number: int) -> httpx.Response:
    return as_stranger(visitors, "/account/login/", login=f"nobody{number}@example.org", password="x")


def send_a_picture(visitors: Visitors, number: int) -> httpx.Response:
    browser, picture = visitors.browser(number), io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(picture, "PNG")
    files, ask = {"image": ("red.png", picture.getvalue())}, {"prompt": "a red circle", "model": "preview"}
    return browser.post("/v1/videos", data=ask, files=files, headers=token_of(browser))


def ask_for_a_gif(visitors: Visitors, number: int) -> httpx.Response:
    return visitors.first.client.get(f"/generations/{visitors.finished_id}/clip.gif")


def verify(visitors: Visitors, number: int, address: str = "/verify/") -> httpx.Response:
    """From a network of one's own, of which each has one file looked into."""
    browser = visitors.browser(number)
    headers = {**token_of(browser), "X-Forwarded-For": f"192.0.{number}.1"}
    return browser.post(address, files={"file": ("a.mp4", b"\0\0\0\x08ftypisom")}, headers=headers)


def verify_by_program(visitors: Visitors, number: int) -> httpx.Response:
    return verify(visitors, number, "/v1/verify")


class Slow(NamedTuple):
    """What so many ``callers`` do at once, of whom ``arrivals`` get to whom they wait ``at`` and the others line up."""

    act: Callable[[Visitors, int], httpx.Response]
    at: str
    callers: int = MANY
    arrivals: int = MANY


VERIFIED: Final = inspection_slots.AT_ONCE
"""Others are refused: so many could hold every connection."""
SLOW: Final = [
    Slow(buy, servers.PROVIDERS),
    Slow(come_anew, servers.PROVIDERS),
    Slow(sign_in_elsewhere, servers.PROVIDERS),
    Slow(sign_in, servers.HASHES, callers=passwords.AT_ONCE + POOL, arrivals=passwords.AT_ONCE),
    Slow(send_a_picture, "picture_sandbox", arrivals=pictures.AT_ONCE),
    Slow(send_a_picture, servers.BUCKET, arrivals=pictures.AT_ONCE),
    Slow(ask_for_a_gif, servers.BUCKET),
    *(
        Slow(act, sandbox, callers=VERIFIED, arrivals=VERIFIED)
        for act in (verify, verify_by_program)
        for sandbox in ("inspection_sandbox", "media_sandbox")
    ),
]
