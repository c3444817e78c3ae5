"""Several start frames with one prompt make a clip of each: priced together, made together, each with its receipt."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import Visitor
from billing import ledger
from catalog.models import Model
from generation.models import Generation
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_uploads import picture_file

PRICE = 11
"""Credits of the toy's default clip."""
FORM: dict[str, Any] = {"prompt": "the wind rises", "model": "toy", "toy-way": "image", "seed": 7}


@pytest.fixture(autouse=True)
def starter(db: None) -> Model:
    return factories.model(modes=["text", "image"])


@pytest.fixture
def payer(db: None) -> Visitor:
    made = factories.visitor()
    ledger.grant(account=made.workspace_id, reference=f"bought:{made.id}", amount=600, kind=ledger.LotKind.PACK)
    return made


@pytest.fixture
def browser(payer: Visitor, client_of: ClientOf) -> Client:
    browser = client_of(payer)
    browser.get("/billing/")  # the day's allowance is there
    return browser


def send(browser: Client, count: int, **said: Any) -> Any:
    pictures = [picture_file(size=(300 + number, 200)) for number in range(count)]
    return browser.post(reverse("generation:create"), {**FORM, "image": pictures, **said})


def words_of(answer: Any) -> str:
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", answer.text).split()))


def test_a_clip_is_made_of_each_with_one_seed_and_a_receipt_of_its_own(browser: Client, payer: Visitor) -> None:
    answer = send(browser, 3, frames=3)
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/history/sheet/")
    made = list(Generation.objects.all())
    assert len({clip.inputs["image"] for clip in made}) == 3
    assert [(clip.mode, clip.seed, clip.credits_quoted) for clip in made] == [("image", 7, PRICE)] * 3
    assert ledger.balance(account=payer.workspace_id).held == 3 * PRICE
    assert words_of(browser.get(answer["Location"])).count(f"{PRICE} reserved") == 3


def test_seeds_multiply_them(browser: Client) -> None:
    assert send(browser, 2, frames=2, times=2).status_code == 302
    assert [clip.seed for clip in Generation.objects.order_by("created_at", "seed")].count(8) == 2
    assert Generation.objects.count() == 4


def test_one_picture_goes_to_the_page_of_its_clip(browser: Client) -> None:
    assert send(browser, 1)["Location"].startswith("/generations/")


@pytest.mark.parametrize("said", [{}, {"frames": 1}, {"frames": 2}, {"look": "1"}])
def test_nothing_is_made_until_the_price_of_all_was_shown(browser: Client, said: dict[str, Any]) -> None:
    answer = send(browser, 3, **said)
    assert "3 start frames make a clip each." in words_of(answer)
    assert f"Generate · {3 * PRICE} credits" in words_of(answer)
    assert re.search(r'name="frames" value="3"', answer.text)
    assert not Generation.objects.exists()


def test_the_live_price_is_that_of_all(browser: Client) -> None:
    asked: dict[str, Any] = {"model": "toy", "toy-way": "image", "image": "given", "times": 2, "frames": 3}
    said = browser.get(reverse("generation:price"), asked).json()
    assert (said["credits"], said["times"]) == (6 * PRICE, 6)
    asked |= {"toy-way": "text"}  # which takes no picture
    assert browser.get(reverse("generation:price"), asked).json()["credits"] == 2 * PRICE


def test_more_than_are_made_at_once_are_refused_in_words(browser: Client) -> None:
    assert "1 to 48 clips are made at once." in words_of(send(browser, 25, times=2))
    assert not Generation.objects.exists()


def test_a_picture_that_is_none_is_named_and_nothing_is_made(browser: Client) -> None:
    pictures = [picture_file(), SimpleUploadedFile("letter.jpg", b"Dear Sir or Madam")]
    answer = browser.post(reverse("generation:create"), {**FORM, "image": pictures, "frames": 2})
    assert "Clip 2: We can't use this file here." in words_of(answer)
    assert not Generation.objects.exists()


def test_pictures_for_another_way_to_begin_are_left_out(browser: Client) -> None:
    assert send(browser, 3, **{"toy-way": "text"})["Location"].startswith("/generations/")
    assert Generation.objects.get().mode == "text"


def test_pictures_for_another_way_to_begin_are_no_part_of_the_price(browser: Client) -> None:
    answer = send(browser, 3, look="1", **{"toy-way": "text"})
    assert f"Generate · {PRICE} credits" in words_of(answer)
    assert "start frames make a clip each" not in words_of(answer)


@pytest.mark.parametrize("said", [{}, {"look": "1"}])
def test_the_price_shown_is_that_of_the_mode_that_all_files_together_choose(
    browser: Client, said: dict[str, Any]
) -> None:
    factories.model("framed", is_default=False, modes=["text", "image", "frames"], surcharges={"frames": 1_000})
    way = {"model": "framed", "framed-way": "frames", "options_of": "framed"}
    shown = words_of(send(browser, 2, last_image=picture_file(), **way, **said))
    assert send(browser, 2, frames=2, last_image=picture_file(), **way).status_code == 302
    made = Generation.objects.all()
    assert {clip.mode for clip in made} == {"frames"}
    assert f"Generate · {sum(clip.credits_quoted for clip in made)} credits" in shown


@pytest.mark.parametrize("said", [{"look": "1"}, {"frames": 49}, {}])
def test_more_than_are_made_at_once_are_never_priced(browser: Client, said: dict[str, Any]) -> None:
    page = words_of(send(browser, 49, **said))
    assert "1 to 48 clips are made at once." in page
    assert "choose them again" not in page
    assert not Generation.objects.exists()


def test_the_page_says_how_many_are_taken(browser: Client) -> None:
    assert "Several pictures make a clip of each: up to 48 clips, 133 MB together." in words_of(browser.get("/"))
