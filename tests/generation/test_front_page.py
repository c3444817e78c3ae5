"""What the front page says to a newcomer, to a subscriber and to whoever has no credits left."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts import workspaces
from accounts.models import Visitor
from billing.shop import gateway
from billing.shop.models import Budget, Plan
from catalog import versions
from catalog.models import Model
from generation.models import Generation
from tests.accounts import factories as accounts
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished
from tests.generation.test_remote_clips import SPEC
from tests.generation.test_uploads import picture_file


def prompt_box(page: str) -> str:
    found = re.search(r"<textarea[^>]*>(.*?)</textarea>", page, flags=re.DOTALL)
    assert found is not None
    return found[1].strip()


def shown_options(page: str) -> list[str]:
    """Slugs of the models whose options are not hidden."""
    return [
        str(re.search(r'data-model="([^"]*)"', tag)[1])  # type: ignore[index]  # each has one
        for tag in re.findall(r'<fieldset class="of-model"[^>]*>', page)
        if "hidden" not in tag
    ]


def ways_on(page: str) -> list[str]:
    """Where the links beside a refusal lead."""
    found = re.search(r'<p id="ways"[^>]*>(.*?)</p>', page, flags=re.DOTALL)
    assert found is not None
    return re.findall('href="([^"]+)"', found[1])


def test_it_opens_with_the_model_that_has_the_name_default(client: Client, toy: Model) -> None:
    other = factories.model("other", is_default=False, prices={"standard": {"360p": 50_000}})
    assert shown_options(client.get("/").text) == ["toy"]
    versions.point_aliases(other, ["default"])
    page = client.get("/").text
    assert shown_options(page) == ["other"]
    assert re.search(r'name="model" value="other"\s+checked', page)
    assert "107 credits" in page


def test_where_no_model_is_the_default_it_opens_with_the_first(client: Client, db: None) -> None:
    factories.model("a-model", is_default=False)
    factories.model("b-model", is_default=False)
    assert shown_options(client.get("/").text) == ["a-model"]


def test_free_credits_are_offered_to_newcomers_alone(toy: Model, client: Client) -> None:
    offer = "No sign-up: 60 free credits today."
    assert offer in client.get("/").text
    alice = accounts.person()
    page = accounts.browser_of(alice).get("/").text
    assert "free credits today" not in page
    assert "You have 120 credits left." in page


def test_a_subscriber_s_thousands_are_no_free_credits(toy: Model, client_of: ClientOf, db: None) -> None:
    page = client_of(factories.visitor(credits=5_940)).get("/").text
    assert "You have 6,000 credits left." in page
    assert "free credits today" not in page


def test_who_has_none_left_is_not_offered_none(toy: Model, client: Client, settings: Any) -> None:
    settings.FREE_DAILY_CREDITS = 0
    page = client.get("/").text
    assert "0 free credits" not in page
    assert "You have no credits left for now." in page


def test_each_model_speaks_for_itself(client: Client, toy: Model) -> None:
    other = factories.model("other", is_default=False)
    Model.objects.filter(pk=toy.pk).update(summary="Toys, quick.")
    Model.objects.filter(pk=other.pk).update(summary="Other things, slow.")
    page = client.get("/").text
    cards = [part.split("</label>")[0] for part in page.split('<label class="model-card"')[1:]]
    assert ["Toys, quick." in words for words in cards] == ['value="toy"' in words for words in cards]
    assert ["Other things, slow." in words for words in cards] == ['value="other"' in words for words in cards]
    assert page.count("Toys, quick.") == 2  # in the picker, and where the chosen model's options are


def test_the_built_in_model_s_example_is_offered_to_no_other(client: Client, toy: Model) -> None:
    page = client.get("/").text
    assert prompt_box(page) == ""
    assert "Demo model" not in page


def test_the_built_in_model_has_an_example(client: Client, db: None) -> None:
    factories.model(
        "small",
        family="preview",
        sizes=["64x64"],
        min_seconds=1,
        max_seconds=2,
        fps=8,
        default_seconds=2,
        presets={"standard": {"steps": 8, "guidance_scale": 3.0}},
    )
    page = client.get("/").text
    assert prompt_box(page) == "a red circle moving right on a black background"
    assert 'data-example="a red circle moving right on a black background"' in page
    assert "Demo model: it only draws simple shapes and ignores other words." in page
    assert page.count("Use this prompt: ") == page.count("-still.webp") == 6
    assert client.get("/models/small/").text.count("-still.webp") == 6


def test_a_link_with_a_prompt_fills_the_box(client: Client, toy: Model) -> None:
    assert prompt_box(client.get("/", {"prompt": " a <b>fox</b>\x00 "}).text) == "a &lt;b&gt;fox&lt;/b&gt;"
    assert prompt_box(client.get("/", {"prompt": " "}).text) == ""


def test_to_go_on_from_a_clip_keeps_its_prompt_and_its_model(alice: Visitor, client_of: ClientOf, db: None) -> None:
    factories.model("first")
    factories.model("second", is_default=False, modes=["text", "extend"])
    made = finished(alice, prompt="a fox in the snow", model="second")
    page = client_of(alice).get(f"/?video={made.id}").text
    assert prompt_box(page) == "a fox in the snow"
    assert shown_options(page) == ["second"]


def test_out_of_credits_there_are_ways_on(toy: Model, client: Client, settings: Any) -> None:
    settings.FREE_DAILY_CREDITS = 1
    page = client.post(reverse("generation:create"), {"prompt": "a fox"}).text
    assert ways_on(page) == [reverse("account_signup"), reverse("shop:pricing")]
    assert "120 free credits a day" in page
    assert re.search(r"refill in (\d+ h )?\d+ min, at 00:00 UTC", page)
    assert "a shorter clip" not in page


def test_a_member_out_of_credits_is_shown_what_can_be_bought(toy: Model, settings: Any, db: None) -> None:
    settings.FREE_DAILY_CREDITS = settings.SIGNED_IN_DAILY_CREDITS = 1
    browser = accounts.browser_of(accounts.person())
    page = browser.post(reverse("generation:create"), {"prompt": "a fox"}).text
    assert ways_on(page) == [reverse("shop:pricing")]


def test_out_of_credits_the_smallest_pack_is_named_where_there_is_any_to_buy(
    toy: Model, client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FREE_DAILY_CREDITS = 1
    monkeypatch.setattr(gateway, "is_on", lambda: True)
    page = client.post(reverse("generation:create"), {"prompt": "a fox"}).text
    assert ways_on(page) == [
        reverse("account_signup"),
        f"{reverse('shop:pricing')}#pack-pack-500",
        reverse("shop:pricing"),
    ]
    assert "Buy 500 credits for $5.00" in page


def test_short_of_credits_one_press_chooses_what_they_suffice_for(toy: Model, client: Client, settings: Any) -> None:
    settings.FREE_DAILY_CREDITS = 6
    page = client.post(reverse("generation:create"), {"prompt": "my fox"}).text
    offered = re.search(r'name="look" value="([^"]+)"[^>]*>Make it for (\d+) credits: (\d+) s, standard<', page)
    assert offered is not None
    assert int(offered[2]) <= 6
    form = {"prompt": "my fox", "model": "toy", "options_of": "toy", "look": unescape(offered[1])}
    shown = client.post(reverse("generation:create"), form).text
    assert f"· {offered[2]} credits</span>" in shown
    assert prompt_box(shown) == "my fox"
    settings.FREE_DAILY_CREDITS = 1
    assert "Make it for" not in client.post(reverse("generation:create"), {"prompt": "my fox"}).text


def test_who_reaches_a_cap_of_their_own_is_sold_nothing(toy: Model) -> None:
    alice = accounts.person()
    workspace = workspaces.personal_of(alice)
    Budget.objects.create(workspace=workspace.id, monthly_cap_credits=1)
    answer = accounts.browser_of(alice).post(reverse("generation:create"), {"prompt": "a fox"})
    assert answer.status_code == 402
    assert "a monthly limit of 1 credits" in answer.text
    assert ways_on(answer.text) == [reverse("shop:credits")]


@pytest.mark.parametrize(
    ("least_plan", "names"), [("free", ["account_login", "account_signup"]), ("paid", ["shop:pricing"])]
)
def test_a_model_that_is_closed_says_where_it_opens(
    client: Client, least_plan: str, names: list[str], db: None
) -> None:
    factories.model(least_plan=least_plan)
    answer = client.post(reverse("generation:create"), {"prompt": "a fox"})
    assert (answer.status_code, ways_on(answer.text)) == (403, [reverse(name) for name in names])
    told = client.get(reverse("generation:price")).json()
    assert [way["address"] for way in told["ways"]] == [reverse(name) for name in names]


def test_who_has_as_many_clips_open_as_may_be_is_led_to_them(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    Plan.objects.filter(slug=Plan.FREE).update(open_clips=1)
    factories.submitted(alice.workspace)
    answer = client_of(alice).post(reverse("generation:create"), {"prompt": "a fox"})
    assert answer.status_code == 429
    assert ways_on(answer.text)[0] == reverse("generation:history")


def test_length_and_words_of_one_model_are_not_another_s(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    factories.model("long", is_default=False, min_seconds=6, max_seconds=9, default_seconds=9)
    page = again(client_of(alice), finished(alice, seconds=3))
    options = {part.split('"')[0]: part for part in page.split('data-model="')[1:]}
    assert re.search(r'name="toy-seconds" value="3.125"\s+checked', options["toy"])
    assert re.search(r'name="long-seconds" value="9"\s+checked', options["long"])


def test_a_refusal_for_another_reason_sells_nothing(toy: Model, client: Client) -> None:
    page = client.post(reverse("generation:create"), {"prompt": "a fox", "size": "1x1"}).text
    assert ways_on(page) == []


def test_without_javascript_the_price_says_of_which_model_it_is(client: Client, toy: Model) -> None:
    assert re.search(r"11 credits</span>.*<noscript> with Toy</noscript>", client.get("/").text, flags=re.DOTALL)


def test_without_javascript_a_button_shows_options_and_price_of_what_is_chosen(client: Client, toy: Model) -> None:
    dear = {"standard": {"360p": 50_000}}
    factories.model("dear", is_default=False, prices=dear, min_seconds=2, max_seconds=3, default_seconds=3)
    sent = {"look": "1", "prompt": "a fox", "seed": "7", "model": "dear", "options_of": "toy", "seconds": "5"}
    answer = client.post(reverse("generation:create"), sent)
    assert answer.status_code == 200
    assert shown_options(answer.text) == ["dear"]
    assert prompt_box(answer.text) == "a fox"
    assert 'value="7"' in answer.text
    assert "157 credits</span>" in answer.text
    assert "<noscript> with Dear</noscript>" in answer.text
    assert "is required" not in answer.text
    assert not Generation.objects.exists()
    again = client.post(reverse("generation:create"), sent | {"options_of": "dear", "seconds": "2"}).text
    assert "107 credits</span>" in again
    assert re.search(r'name="dear-seconds" value="2"\s+checked', again)


def test_without_javascript_the_example_goes_with_its_model(client: Client, db: None) -> None:
    presets = {"standard": {"steps": 8, "guidance_scale": 3.0}}
    factories.model("small", family="preview", sizes=["64x64"], fps=8, max_seconds=2, presets=presets)
    factories.model("other", is_default=False)
    sent = {"look": "1", "prompt": prompt_box(client.get("/").text), "model": "other", "options_of": "small"}
    assert prompt_box(client.post(reverse("generation:create"), sent).text) == ""
    back = sent | {"prompt": "", "model": "small", "options_of": "other"}
    assert prompt_box(client.post(reverse("generation:create"), back).text).startswith("a red circle")


def test_the_price_of_a_form_that_comes_back_is_its_own(client: Client, toy: Model) -> None:
    page = client.post(reverse("generation:create"), {"prompt": "", "seconds": "5"}).text
    assert "26 credits</span>" in page


def test_cards_say_in_people_s_words_how_a_clip_stands(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    generation = factories.submitted(alice.workspace)
    said = {"queued": "In line", "dispatched": "In line", "running": "Rendering"}
    for state, words in said.items():
        type(generation).objects.filter(pk=generation.pk).update(state=state)
        page = client_of(alice).get("/history/").text
        assert words in page
        assert "0\xa0minutes ago" not in page
        assert f'data-state="{state}"' in page


@pytest.mark.parametrize("address", ["/", "/history/", "/models/"])
def test_a_visitor_finds_the_way_to_their_data_and_to_another_device(
    toy: Model, alice: Visitor, client_of: ClientOf, client: Client, address: str
) -> None:
    page = client_of(alice).get(address).text
    assert f'href="{reverse("accounts:data")}"' in page
    assert f'href="{reverse("accounts:overview")}"' in page
    assert f'href="{reverse("accounts:data")}"' not in client.get(address).text  # of whom nothing is kept


def again(browser: Client, made: Generation) -> str:
    """The page that "Remix" leads to, without what the menu and the cards say."""
    return browser.get(f"/?again={made.id}").text.split("<main")[1].split("Recent clips")[0]


def test_a_clip_made_again_keeps_its_size_also_where_the_mp4_is_larger(
    alice: Visitor, client_of: ClientOf, db: None
) -> None:
    factories.model(upscale=2)
    page = again(client_of(alice), finished(alice, size="384x256"))
    assert re.search(r'value="384x256"\s+checked', page)


def test_a_clip_with_steps_of_its_own_is_made_and_made_again_with_them(
    alice: Visitor, client_of: ClientOf, db: None
) -> None:
    factories.model()
    browser, sent = client_of(alice), {"prompt": "a fox", "model": "toy", "steps": "3"}
    assert browser.post(reverse("generation:create"), sent).status_code == 302
    made = Generation.objects.get()
    assert made.steps == 3
    assert re.search(r'name="steps"[^>]*value="3"', again(browser, made))
    refused = browser.post(reverse("generation:create"), sent | {"steps": "5000"})
    assert refused.status_code == 422
    assert "steps. Choose a number in that range." in refused.text


def test_variations_are_four_of_the_same_with_other_seeds(alice: Visitor, client_of: ClientOf, db: None) -> None:
    factories.model()
    made, browser = finished(alice, prompt="a fox", seed=77), client_of(alice)
    assert f'href="/?again={made.id}&amp;vary=1">Variations</a>' in browser.get(f"/generations/{made.id}/").text
    page = browser.get(f"/?again={made.id}&vary=1").text
    assert prompt_box(page) == "a fox"
    assert re.search(r'name="times" value="4"\s+checked', page)
    assert 'value="77"' not in page


def test_an_extension_made_again_goes_on_from_the_same_clip(alice: Visitor, client_of: ClientOf, db: None) -> None:
    factories.model(modes=["text", "extend"])
    first = finished(alice, prompt="a fox")
    second = finished(alice, prompt="a fox runs", inputs={"video": first.clip.key})
    page = again(client_of(alice), second)
    assert f'name="video" value="{first.id}"' in page
    assert "Extending <a" in page
    assert "Add the start frame again" not in page


def test_a_file_that_a_clip_began_with_has_to_be_chosen_again_and_the_form_says_so(
    alice: Visitor, client_of: ClientOf, db: None
) -> None:
    factories.model(modes=["text", "image"])
    made = finished(alice, inputs={"image": "inputs/x/image.png"})
    page = again(client_of(alice), made)
    assert "Add the start frame again." in page
    assert re.search(r'value="image"\s+checked', page)
    assert "Add the start frame again" not in again(client_of(alice), finished(alice))


def test_a_clip_whose_model_is_gone_is_made_again_with_another_and_the_form_says_so(
    toy: Model, alice: Visitor, client_of: ClientOf
) -> None:
    factories.model("old", is_default=False, min_seconds=5, max_seconds=9, default_seconds=9)
    made = finished(alice, model="old", prompt="a fox", seconds=9)
    Model.objects.filter(slug="old").update(status="retired")
    page = again(client_of(alice), made)
    assert "Old is no longer offered, so we&#x27;ve picked Toy." in page
    assert prompt_box(page) == "a fox"
    assert not re.search(r'value="9(\.0*)?"', page)


def test_who_goes_on_from_a_clip_gets_a_model_that_can(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    factories.model("old", is_default=False, modes=["text", "extend"])
    factories.model("new", is_default=False, modes=["text", "extend"])
    made = finished(alice, model="old")
    Model.objects.filter(slug="old").update(status="retired")
    page = client_of(alice).get(f"/?video={made.id}").text
    assert shown_options(page) == ["new"]
    assert "Old is no longer offered, so we&#x27;ve picked New." in page


def test_where_no_model_goes_on_from_clips_the_form_says_so(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    factories.model("old", is_default=False, modes=["text", "extend"])
    made = finished(alice, model="old")
    Model.objects.filter(slug="old").update(status="retired")
    page = client_of(alice).get(f"/?video={made.id}").text
    assert "No model here can extend a clip right now." in page
    assert 'name="video"' not in page


def test_thousands_are_told_apart_in_the_bar_too(toy: Model, client_of: ClientOf, db: None) -> None:
    assert "<strong>6,000</strong> credits left" in client_of(factories.visitor(credits=5_940)).get("/models/").text


def test_what_was_given_for_another_way_to_begin_is_left_out(alice: Visitor, client_of: ClientOf, db: None) -> None:
    factories.model(modes=["text", "extend", "image"])
    first, browser = finished(alice, prompt="a fox"), client_of(alice)
    form = {"prompt": "it runs", "model": "toy", "video": str(first.id)}
    assert (
        browser.get(reverse("generation:price"), form | {"toy-way": "text"}).json()
        == browser.get(reverse("generation:price"), form | {"video": ""}).json()
    )
    for way in ("text", "extend", "image"):
        answer = browser.post(reverse("generation:create"), {**form, "image": picture_file(), "toy-way": way})
        assert answer.status_code == 302
        assert Generation.objects.latest("created_at").mode == way


def test_a_visitor_s_pages_lead_to_their_data_and_to_another_device(
    toy: Model, alice: Visitor, client_of: ClientOf
) -> None:
    ways = {'href="/data/"', 'href="/account/"'}
    page = client_of(alice).get("/").text
    assert {way for way in ways if way in page} == ways


def test_open_models_are_spoken_of_where_there_are_some(client: Client, db: None) -> None:
    promises = ("Open models.", "with open models", "Models of providers.")

    def said() -> list[str]:
        return [words for words in promises if words in client.get("/").text]

    assert said() == []
    far = factories.model("far", **SPEC)
    assert said() == ["Models of providers."]
    factories.model("near", is_default=False)
    assert said() == ["Open models.", "with open models"]
    Model.objects.exclude(id=far.id).update(status=Model.Status.DRAFT)
    assert said() == ["Models of providers."]
