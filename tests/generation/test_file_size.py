"""A file that is too large for its form is refused by the browser, before it is sent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import Client
from playwright.sync_api import Browser

from catalog.models import Model

STATIC = Path(__file__).resolve().parents[2] / "static"


@pytest.mark.parametrize("address", ["/", "/batch/", "/verify/"])
def test_every_form_says_how_large_a_file_may_be(toy: Model, client: Client, address: str) -> None:
    page = client.get(address).text
    chosen = re.findall(r"<input[^>]*type=\"file\"[^>]*>", page)
    assert chosen
    assert all(re.search(r'data-most-bytes="[0-9]{5,}"', each) for each in chosen)
    assert "file-size.js" in page


@pytest.mark.browser
def test_the_browser_says_so_and_sends_nothing(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content('<form><input type="file" data-most-bytes="1000000"><button>Send</button></form>')
    for script in ("words.js", "file-size.js"):
        page.add_script_tag(content=(STATIC / script).read_text(), type="module")
    page.wait_for_function("document.scripts.length > 0")
    chosen = page.locator("input")
    chosen.set_input_files({"name": "film.mp4", "mimeType": "video/mp4", "buffer": bytes(1_200_001)})
    words = chosen.evaluate("input => input.validationMessage")
    assert words == "film.mp4 is 1.3 MB. Use a file of at most 1 MB."
    assert not page.locator("form").evaluate("form => form.checkValidity()")
    chosen.set_input_files({"name": "short.mp4", "mimeType": "video/mp4", "buffer": bytes(999)})
    assert page.locator("form").evaluate("form => form.checkValidity()")
    page.close()
