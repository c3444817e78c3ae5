"""Pictures of the pages for docs/screens/: ``make screens``. A whole site makes its clips first.

``python -m tests.screens admin`` takes those of the admin alone.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Final, Literal

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page

from loremotion.local.preparation import STAFF_EMAIL, staff_password
from loremotion.local.stack import Stack
from tests import chromium, lifelike, staff_site
from tests.patience import PATIENCE_SECONDS

FOLDER: Final = Path(__file__).resolve().parent.parent / "docs" / "screens"
PROMPTS: Final = (
    "a red circle moving right on a black background",
    "a green star spinning on a white background",
    "a blue square moving up on a yellow background",
    "a yellow triangle growing on a blue background",
)
SCREENS: Final = {"desktop": (1280, 860), "phone": (390, 844)}
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
PAGES: Final = {
    "create": "/",
    "library": "/history/",
    "batch": "/batch/",
    "explore": "/explore/",
    "models": "/models/",
    "model": "/models/preview/",
    "pricing": "/pricing/",
    "credits": "/billing/",
    "account": "/account/",
    "sign-in": "/account/login/",
    "api": "/developers/",
}
PAGES_SHOWN_TWICE: Final = {
    "storyboards": "/storyboards/",
    "guide": "/models/guide/",
    "explorer": "/developers/explorer/",
    "from-sora": "/from-sora/",
    "verify": "/verify/",
    "transparency": "/transparency/",
    "status": "/status/",
    "usage": "/billing/usage/",
}
"""Those that look alike on every screen: on a desktop in light and on a phone in dark, which keeps the folder small."""
TWICE: Final = ("desktop-light", "phone-dark")
STAFF_PAGES: Final = {
    "admin": "",
    "admin-catalogue": "catalogue/",
    "admin-fleet": "fleet/",
    "admin-clips": "generation/generation/",
    "admin-add-model": "catalogue/add/",
    "admin-customer": f"customers/?q={lifelike.PEOPLE[1][0]}",
    "admin-money": "money/",
    "admin-system": "system/",
}
"""Of the admin, by their addresses in it."""
QUALITY: Final = 55


def make_clips(page: Page, url: str) -> str:
    """Address of the last of the clips, made one after the other."""
    for prompt in PROMPTS:
        page.goto(url)
        page.get_by_label("What should the clip show?").fill(prompt)
        page.get_by_role("button", name="Generate").click()
        page.wait_for_url("**/generations/*/")
        page.locator("video").wait_for()
    return page.url


def make_draft(page: Page, url: str) -> str:
    """Address of a clip that was made as a draft."""
    page.goto(url)
    page.get_by_label("What should the clip show?").fill(PROMPTS[0])
    page.locator("input[name=draft]").check()
    page.get_by_role("button", name="Generate").click()
    page.wait_for_url("**/generations/*/")
    page.locator("video").wait_for()
    return page.url


def contexts(browser: Browser, signed_in: BrowserContext) -> Iterator[tuple[str, BrowserContext]]:
    """Each screen in light and in dark, with the cookies of ``signed_in``."""
    for (screen, (width, height)), scheme in product(SCREENS.items(), SCHEMES):
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            is_mobile=screen == "phone",
            reduced_motion="reduce",
            storage_state=signed_in.storage_state(),
        )
        yield f"{screen}-{scheme}", context
        context.close()


def take(page: Page, address: str, name: str) -> None:
    """Write the picture of one page, as small as it can be read."""
    page.goto(address)
    page.wait_for_load_state("networkidle")
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.save(FOLDER / f"{name}.webp", quality=QUALITY, method=6)


def take_staff_pages(browser: Browser) -> None:
    """Pictures of the admin over a site with a month of life in it."""
    with tempfile.TemporaryDirectory() as folder, staff_site.running(Path(folder)) as stack:
        signed_in = browser.new_context()
        page = signed_in.new_page()
        page.set_default_timeout(1000 * PATIENCE_SECONDS)
        page.goto(f"{stack.url}/account/login/")
        page.locator("#id_login").fill(STAFF_EMAIL)
        page.locator("#id_password").fill(staff_password(Path(folder)))
        page.locator("#id_password").press("Enter")
        page.wait_for_url(lambda url: "/account/login/" not in url)
        for kind, context in contexts(browser, signed_in):
            for name, path in STAFF_PAGES.items():
                take(context.new_page(), f"{stack.url}/admin/{path}", f"{name}-{kind}")


def main() -> int:
    FOLDER.mkdir(exist_ok=True)
    if sys.argv[1:] == ["admin"]:
        with chromium.launched() as browser:
            take_staff_pages(browser)
        return 0
    processes = ("web", "reports", "beat", "gpu")
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), processes=processes) as stack:
        stack.wait_for_worker()
        with chromium.launched() as browser:
            visitor = browser.new_context()
            visitor.set_default_timeout(1000 * PATIENCE_SECONDS)
            clip = make_clips(visitor.new_page(), stack.url)
            draft = make_draft(visitor.new_page(), stack.url)
            for kind, context in contexts(browser, visitor):
                page = context.new_page()
                for name, path in PAGES.items():
                    take(page, stack.url + path, f"{name}-{kind}")
                take(page, clip, f"clip-{kind}")
                if kind in TWICE:
                    for name, path in PAGES_SHOWN_TWICE.items():
                        take(page, stack.url + path, f"{name}-{kind}")
                    take(page, draft, f"draft-{kind}")
            take_staff_pages(browser)
    pictures = list(FOLDER.glob("*.webp"))
    kib = sum(picture.stat().st_size for picture in pictures) // 1024
    sys.stdout.write(f"{len(pictures)} pictures, {kib} KiB, in {FOLDER}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
