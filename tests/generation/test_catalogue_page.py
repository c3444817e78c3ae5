"""The catalogue for staff: figures of each model, the swap of the default, and a new model from nothing to enabled."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User, Visitor
from catalog import catalogue_fieldsets, fits, measurements, versions
from catalog.forms import CatalogueForm
from catalog.models import Alias, Measurement, Model
from catalog.sizes import Size
from generation.models import Generation, State
from generation.scheduling import dispatch
from generation.settlement import settle
from generation.sharing.models import Share
from generation.staff import default_swap
from generation.staff.catalogue import repository_of
from generation.submission import trials
from gpu_worker.families import FAMILIES
from gpu_worker.families.memory import Fit
from tests.catalog.form_post import post_of
from tests.generation import factories
from tests.generation.test_pages import finished

PAGE = "/admin/catalogue/"
ADD = "/admin/catalog/model/add/"
ADD_FIRST = "/admin/catalogue/add/"
REFERENCE = {"gpu_seconds": 40, "card": "H100", "size": "96x64", "frames": 16, "steps": 8, "source": "a README"}


@pytest.fixture
def staff(db: None) -> Client:
    browser = Client()
    browser.force_login(User.objects.create_superuser("staff@example.com", "irrelevant"))
    return browser


def rendered(model: Model, *, gpu_seconds: float = 2.0) -> None:
    """Note a clip of the model's default length, as a finished test render does."""
    assert model.current is not None
    measurements.record(
        model.current,
        mode="text",
        preset="standard",
        width=96,
        height=64,
        gpu_seconds=gpu_seconds,
        video_seconds=2.0,
        peak_bytes=10**9,
    )


def rows(staff: Client, tab: str = "enabled") -> dict[str, Any]:
    cache.clear()
    return {row.model.slug: row for row in staff.get(PAGE, {"tab": tab}).context["rows"]}


@pytest.mark.parametrize(
    ("fits", "gpus", "said"),
    [
        *((None, 2, "not known"), (0, 0, "no GPU is on"), (0, 2, "no GPU that is on")),
        *((1, 3, "1 of 3 GPUs"), (2, 2, "every GPU")),
    ],
)
def test_a_row_says_on_how_many_gpus_it_runs(fits: int | None, gpus: int, said: str, toy: Model, staff: Client) -> None:
    assert replace(rows(staff)["toy"], fits=fits, gpus=gpus).runs_on == said


@pytest.mark.parametrize(
    ("default", "said", "slower"),
    [
        ((), "every GPU", ""),
        ((Fit.RESIDENT, Fit.ENCODER_LEAVES), "every GPU", ""),
        ((Fit.BLOCK_SWAP, Fit.RESIDENT), "every GPU", "1 of them by block swap"),
        ((Fit.NO, Fit.BLOCK_SWAP), "1 of 2 GPUs", "by block swap, which is slower"),
        ((Fit.NO, Fit.NO), "2 of 2 GPUs, smaller clips alone", ""),
    ],
)
def test_a_row_says_of_the_default_clip_where_and_how_it_runs(
    default: tuple[Fit, ...], said: str, slower: str, toy: Model, staff: Client
) -> None:
    row = replace(rows(staff)["toy"], fits=2, gpus=2, default_fits=default)
    assert (row.runs_on, row.runs_slower_on) == (said, slower)


def test_how_the_default_clip_runs_is_computed_and_what_was_made_with_less_counts(toy: Model) -> None:
    version = toy.current
    assert version is not None
    large = versions.draft(toy, {**versions.state(version), "component_bytes": {"transformer": 30 * 2**30}})
    written = versions.write(large, by=None)
    [found] = fits.of_default_clips([written], [2**30, 80 * 2**30]).values()
    assert found == [Fit.NO, Fit.RESIDENT]
    Measurement.objects.create(
        build=written.build, mode="text", preset="standard", width=96, height=64, peak_bytes=2**29
    )
    size = Size.parse(written.sizes[0])
    Measurement.objects.update(width=size.width, height=size.height)
    assert fits.of_default_clips([written], [2**30]) == {written.id: [Fit.RESIDENT]}


def test_each_row_has_its_figures(toy: Model, alice: Visitor, staff: Client) -> None:
    rendered(toy, gpu_seconds=4.0)
    ended = timezone.now()
    for state in (State.SUCCEEDED, State.SUCCEEDED, State.SUCCEEDED, State.FAILED):
        clip = factories.submitted(alice.workspace)
        Generation.objects.filter(id=clip.id).update(
            state=state, started_at=ended - timedelta(seconds=6), finished_at=ended
        )
    row = rows(staff)["toy"]
    assert (row.credits, row.is_default, row.failed_share) == (11, True, 0.25)
    assert row.render_seconds == pytest.approx(6)
    assert row.margin is not None
    assert row.margin < 1


def test_models_stand_under_the_tab_of_what_can_be_done_with_them(toy: Model, staff: Client) -> None:
    ready, draft = factories.model("ready", is_default=False), factories.model("draft", is_default=False)
    Model.objects.filter(id__in=[ready.id, draft.id]).update(status="draft")
    rendered(ready)
    assert [*rows(staff)] == ["toy"]
    assert "ready" in rows(staff, "ready")
    assert "draft" in rows(staff, "drafts")
    assert "toy" in rows(staff, "nonsense")


def test_the_page_takes_as_many_queries_however_many_models(toy: Model, staff: Client) -> None:
    rows(staff)
    with CaptureQueriesContext(connection) as few:
        rows(staff)
    for number in range(3):
        rendered(factories.model(f"toy-{number}", is_default=False))
    with CaptureQueriesContext(connection) as many:
        rows(staff)
    assert len(many) == len(few)


def test_swapping_the_default_shows_what_changes_and_the_front_page_obeys(toy: Model, staff: Client) -> None:
    other = factories.model("other", is_default=False, max_seconds=4)
    address = f"{PAGE}{other.id}/default/"
    page = staff.get(address)
    assert "Toy, the default now" in page.text
    assert "1 to 4" in page.text
    assert '<a href="/admin/catalogue/" class="button cancel-link">Cancel</a>' in page.text
    assert Alias.objects.get(name="default").model == toy
    assert "is the default now" in staff.post(address, follow=True).text
    assert Client().get("/").context["chosen"].model == other
    assert LogEntry.objects.get().object_id == str(other.id)


def test_what_the_swap_changes_is_told_with_differences_and_whom_it_touches(toy: Model, staff: Client) -> None:
    rendered(toy, gpu_seconds=1.0)
    other = factories.model(
        "other",
        is_default=False,
        sizes=["96x64"],
        prices={"standard": {"360p": 9_000}},
        least_plan="free",
        blocked_territories=["GB"],
    )
    page = staff.get(f"{PAGE}{other.id}/default/").context
    changes = {each.label: each for each in page["changes"]}
    assert (changes["Default clip"].before, changes["Default clip"].difference) == ("11 credits", "+9 credits")
    assert changes["Default clip"].is_worse
    assert (changes["Sizes"].difference, changes["Sizes"].is_worse) == ("loses 192\u00a0×\u00a0128", True)
    assert (changes["Margin"].after, changes["Margin"].difference) == ("not known", "")
    assert changes["Who may use it"].is_worse
    assert not changes["Begins from"].is_change
    said = " ".join(each.said for each in page["touched"])
    assert "closed to visitors" in said
    assert "leaves out the United Kingdom" in said


@pytest.mark.parametrize(
    ("fits", "said", "is_bad"),
    [
        (0, "None of its clips begins until a larger GPU is on", True),
        (1, "1 of 2 GPUs can make it: its clips wait longer", False),
        (2, "", False),
    ],
)
def test_a_default_that_no_gpu_can_make_is_no_longer_wait(
    fits: int, said: str, is_bad: bool, toy: Model, staff: Client
) -> None:
    row = replace(rows(staff)["toy"], fits=fits, gpus=2)
    found = [each for each in default_swap.find_touched(None, row) if "GPU" in each.said]
    assert [(each.said.startswith(said), each.is_bad) for each in found] == ([(True, is_bad)] if said else [])


def test_clips_that_failed_were_made_by_nobody(toy: Model, staff: Client) -> None:
    row = rows(staff)["toy"]
    [said] = [
        each.said
        for each in default_swap.find_touched(replace(row, ended=5, made=3), row)
        if "in the last 7 days" in each.said
    ]
    assert said.startswith("Toy made 3 clips")


def test_a_model_is_taken_out_of_the_offer_and_brought_back(toy: Model, staff: Client) -> None:
    other = factories.model("other", is_default=False)
    rendered(other)
    assert f"Disable {other}" in staff.get(PAGE).text
    assert "is offered to nobody any more" in staff.post(f"{PAGE}{other.id}/disable/", follow=True).text
    other.refresh_from_db()
    assert other.status == Model.Status.RETIRED
    assert "Enable Other" in staff.get(PAGE, {"tab": "retired"}).text
    assert "is not enabled" in staff.post(f"{PAGE}{other.id}/disable/", follow=True).text
    staff.post(f"{PAGE}{other.id}/enable/")
    assert "other" in rows(staff)


def test_the_default_is_not_taken_out_of_the_offer(toy: Model, staff: Client) -> None:
    assert f"Disable {toy}" not in staff.get(PAGE).text
    assert "Make another model the default first" in staff.post(f"{PAGE}{toy.id}/disable/", follow=True).text
    toy.refresh_from_db()
    assert toy.is_enabled


def test_a_model_is_found_among_many(toy: Model, staff: Client) -> None:
    for slug in ("wan-quick", "wan-large"):
        Model.objects.filter(pk=factories.model(slug, is_default=False).pk).update(status="draft")
    page = staff.get(PAGE, {"tab": "drafts", "q": "WAN large"})
    assert [row.model.slug for row in page.context["rows"]] == ["wan-large"]
    assert {each["title"]: each["count"] for each in page.context["tabs"]}["Drafts"] == 1
    assert "tab=ready&amp;q=WAN+large" in page.text
    found = staff.get(PAGE, {"q": "wan large"}).context
    assert ([row.model.slug for row in found["rows"]], found["tab"]) == (["wan-large"], "drafts")
    assert "No model here has “nonsense”" in staff.get(PAGE, {"q": "nonsense"}).text


def test_bad_figures_are_marked_in_words_too(toy: Model, staff: Client) -> None:
    row = rows(staff)["toy"]
    assert not any((row.fails_often, row.is_losing, row.runs_nowhere))
    assert replace(row, failed_share=0.2, ended=10).fails_often
    assert not replace(row, failed_share=0.5, ended=2).fails_often, "one of two says little"
    assert replace(row, margin=-0.1).is_losing
    assert replace(row, fits=0, gpus=2).runs_nowhere
    assert not replace(row, fits=0, gpus=0).runs_nowhere, "then no model runs, and the page says so above"
    rendered(toy, gpu_seconds=100_000.0)
    assert ", a loss" in staff.get(PAGE).text


def test_a_row_shows_what_was_picked_for_everybody_or_else_the_last_test_render(
    toy: Model, alice: Visitor, staff: Client
) -> None:
    assert shown_poster(staff) == ""
    assert toy.current is not None
    trial = trials.start(toy.current, by=User.objects.get(email="staff@example.com"))
    dispatch.fill_window()
    trial.refresh_from_db()
    factories.deliver_clip(trial)
    settle.settle(factories.report(trial))
    assert shown_poster(staff) == f"/admin/trials/{trial.id}/poster.jpg"
    clip = finished(alice, prompt="a fox")
    Share.objects.create(clip=clip.clip, shows_prompt=True, is_indexed=True, featured_at=timezone.now())
    assert shown_poster(staff) == f"/s/{Share.objects.get().token}/poster.jpg"


def shown_poster(staff: Client) -> str:
    return str(rows(staff)["toy"].poster)


def test_a_model_that_is_not_enabled_does_not_become_the_default(toy: Model, staff: Client) -> None:
    draft = factories.model("draft", is_default=False)
    Model.objects.filter(id=draft.id).update(status="draft")
    assert "Enable this model before" in staff.get(f"{PAGE}{draft.id}/default/").text
    assert "is not enabled" in staff.post(f"{PAGE}{draft.id}/default/", follow=True).text
    assert Alias.objects.get(name="default").model == toy


def test_a_draft_is_enabled_once_it_has_made_a_clip(toy: Model, staff: Client) -> None:
    draft = factories.model("draft", is_default=False)
    Model.objects.filter(id=draft.id).update(status="draft", status_reason="Needs a download")
    assert "Run a test render first" in staff.post(f"{PAGE}{draft.id}/enable/", follow=True).text
    rendered(draft)
    staff.post(f"{PAGE}{draft.id}/enable/")
    draft.refresh_from_db()
    assert draft.status_reason == "", "what it said is done"
    assert draft.is_enabled


def test_suggested_prices_become_a_version(staff: Client, db: None) -> None:
    model = factories.model("priced", reference_speed=REFERENCE)
    staff.post(f"{PAGE}{model.id}/prices/")
    model.refresh_from_db()
    assert model.current is not None
    assert (model.current.number, model.current.note) == (2, "Suggested prices")
    assert model.current.prices["standard"]["360p"] != 5_000
    assert "has these prices already" in staff.post(f"{PAGE}{model.id}/prices/", follow=True).text


def test_without_a_reference_speed_no_prices_are_suggested(toy: Model, staff: Client) -> None:
    assert "has no reference speed" in staff.post(f"{PAGE}{toy.id}/prices/", follow=True).text


def test_a_new_model_comes_prefilled_as_its_family(toy: Model, staff: Client) -> None:
    factories.model(
        "quick-base", is_default=False, loras=[{"source": "somebody/theirs", "weight_name": "w.safetensors"}]
    )
    Model.objects.filter(pk=factories.model("nobodys", is_default=False, sizes=["64x64"]).pk).update(
        status=Model.Status.DRAFT
    )
    assert "Name both" in staff.get(f"{PAGE}add/", {"family": "ltx", "source": ""}).text
    address = "https://huggingface.co/owner/Quick_Base-Diffusers/tree/main"
    answer = staff.get(f"{PAGE}add/", {"family": "ltx", "source": address}, follow=True)
    assert f"Filled in as <strong>{toy}</strong> has it" in answer.text
    assert "step 2 of 4" in answer.text
    assert 'name="_save"' not in answer.text
    form = post_of(answer.text)
    assert (form["name"], form["slug"]) == ("Quick Base", "quick-base-2")
    assert (form["source"], form["family"], form["revision"]) == ("owner/Quick_Base-Diffusers", "ltx", "")
    assert form["sizes"].split() == ["96x64", "192x128"]
    assert (form["licence"], form["status"]) == (toy_licence(), "draft")
    assert "is that of every model of its family here" in answer.text


def toy_licence() -> str:
    version = Model.objects.get(slug="toy").current
    assert version is not None
    return version.licence


def test_what_a_licence_asks_for_comes_along_with_it(toy: Model, staff: Client) -> None:
    factories.model(
        "strict",
        is_default=False,
        licence="Strict Community",
        licence_url="https://example.org/licence",
        licence_notice="Not for weapons.",
        blocked_territories=["EU", "GB"],
        revenue_cap_dollars=10_000_000,
    )
    assert re.findall(r"<option >([^<]+)</option>", staff.get(ADD_FIRST).text) == sorted(
        [toy_licence(), "Strict Community"], key=str.lower
    )
    asked = {"family": "ltx", "source": "owner/new", "licence": "Strict Community"}
    form = post_of(staff.get(ADD_FIRST, asked, follow=True).text)
    assert (form["licence"], form["licence_url"]) == ("Strict Community", "https://example.org/licence")
    assert form["licence_notice"].strip() == "Not for weapons."
    assert (form["blocked_territories"], form["revenue_cap_dollars"]) == ("EU, GB", "10000000")


@pytest.mark.parametrize("chosen", ["", "another"])
def test_a_licence_that_is_not_sure_is_left_to_whoever_reads_it(chosen: str, toy: Model, staff: Client) -> None:
    if not chosen:
        factories.model("strict", is_default=False, licence="Strict Community")
    else:
        factories.model("alike", is_default=False)
    page = staff.get(ADD_FIRST, {"family": "ltx", "source": "owner/new", "licence": chosen}, follow=True).text
    assert post_of(page)["licence"] == ""
    assert "is that of every model of its family" not in page


def test_a_new_model_is_filled_in_page_by_page_and_nothing_is_lost_on_the_way(toy: Model, staff: Client) -> None:
    asked = {"family": "ltx", "source": "owner/quick"}
    form = post_of(staff.get(f"{PAGE}add/", asked, follow=True).text) | {"summary": "Quick.", "default_seconds": "3"}
    page = staff.post(ADD, {**form, "sizes": "", "_step": "3"}).text
    assert "step 2 of 4" in page, "it stays where something is wrong"
    assert '<a href="#id_sizes">Sizes</a>: This field is required.' in page
    assert '<a href="#id_licence">Licence</a>: This field is required.' in page
    page = staff.post(ADD, {**form, "licence": "MIT", "sizes": "96x63", "_step": "3"}).text
    assert "step 2 of 4" in page, "what the family says of its fields is said at once"
    page = staff.post(ADD, {**form, "licence": "MIT", "prices.standard.360p": "", "_step": "3"}).text
    assert "step 3 of 4" in page
    assert '<li><a href="#id_' not in page, "nobody was asked for prices yet"
    assert shown(page) == {"reference_speed", "prices"}
    third = post_of(page)
    assert (third["summary"], third["default_seconds"], third["licence"]) == ("Quick.", "3", "MIT")
    page = staff.post(ADD, {**third, "_step": "2"}).text
    assert "step 2 of 4" in page
    assert '<li><a href="#id_' not in page, "who goes back hears of it when they come again"
    page = staff.post(ADD, {**third, "_save": "1"}).text
    assert "step 3 of 4" in page
    assert '<a href="#id_prices">Prices</a>' in page
    saved = staff.post(ADD, {**third, "prices.standard.360p": "700", "_save": "1"}, follow=True)
    assert "is a draft: nobody is offered it yet" in saved.text
    assert "Step 4 of 4" in saved.text
    assert "serves everybody" not in saved.text
    assert saved.request["PATH_INFO"] == f"/admin/catalog/model/{Model.objects.get(slug='quick').pk}/versions/"


def shown(page: str) -> set[str]:
    """The fields of the sections that are open on the page."""
    sections = re.findall(r'<fieldset class="module aligned ?([\w ]*)".*?</fieldset>', page, re.DOTALL)
    bodies = re.split(r"<fieldset ", page)[1:]
    opened = [body for classes, body in zip(sections, bodies, strict=True) if not classes.strip()]
    return {name for body in opened for name in re.findall(r"form-row[^\"]* field-(\w+)", body)}


def test_each_step_leads_back_to_those_before_it(toy: Model, staff: Client) -> None:
    asked = {"family": "ltx", "source": "owner/quick"}
    second = staff.get(f"{PAGE}add/", asked, follow=True).text
    [back] = re.findall(r'<a href="(/admin/catalogue/add/[^"]*again=1)">Weights and family</a>', second)
    first = staff.get(back.replace("&amp;", "&"))
    assert first.status_code == 200, "it does not go on by itself"
    assert 'value="owner/quick"' in first.text
    assert "Name both" not in first.text
    form = post_of(second) | {"summary": "Quick.", "default_seconds": "3", "licence": "MIT"}
    third = staff.post(ADD, {**form, "prices.standard.360p": "", "_step": "3"}).text
    assert re.search(r'name="_step" value="2">What it may be asked for</button>', third)
    assert third.index('class="hidden" name="_save"') < third.index('class="as-link" name="_step"'), "Enter goes on"
    draft = factories.model("draft-of-it", is_default=False)
    Model.objects.filter(pk=draft.pk).update(status=Model.Status.DRAFT)
    fourth = staff.get(f"/admin/catalog/model/{draft.pk}/versions/").text
    assert f'<a href="/admin/catalog/model/{draft.pk}/change/">What it costs</a>' in fourth
    assert f'disabled aria-describedby="not-yet">Enable {draft.name}' in fourth
    assert "Compare the two" not in fourth


def test_models_stand_once_in_the_list_of_pages_which_stays_with_them_on_their_own(toy: Model, staff: Client) -> None:
    for address in (PAGE, ADD, f"/admin/catalog/model/{toy.pk}/change/"):
        sections = staff.get(address).context["available_apps"]
        [catalogue] = [each for each in sections if each["name"] == "Catalogue"]
        assert [(page["name"], page["is_current"]) for page in catalogue["models"]] == [
            ("Models", True), ("Aliases", False)
        ]  # fmt: skip


def test_a_models_page_begins_with_its_status_price_margin_and_last_render(toy: Model, staff: Client) -> None:
    page = f"/admin/catalog/model/{toy.pk}/change/"
    before = staff.get(page).text.split('id="look"')[1].split("</dl>")[0]
    assert "Enabled" in before
    assert f"{rows(staff)['toy'].credits} credits" in before
    assert "none yet" in before
    rendered(toy)
    after = staff.get(page)
    assert "none yet" not in after.text
    assert after.context["look"].margin == rows(staff)["toy"].margin
    assert f"As saved, the default clip costs {rows(staff)['toy'].credits} credits." in after.text


def test_every_field_of_the_form_is_filled_in_at_some_step_or_has_a_default() -> None:
    every = {name for _, options in catalogue_fieldsets.of_new(2) for name in names_of(options["fields"])}
    later = {"canary_percent", "is_canary", "based_on"}
    assert every == {*CatalogueForm().fields} - later
    assert [catalogue_fieldsets.step_of(name) for name in ("sizes", "prices", "__all__")] == [2, 3, 3]


def names_of(fields: list[str | tuple[str, ...]]) -> list[str]:
    return [name for each in fields for name in ([each] if isinstance(each, str) else each)]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("https://huggingface.co/owner/repo", ("owner/repo", "")),
        ("huggingface.co/owner/repo/tree/main", ("owner/repo", "")),
        ("https://huggingface.co/owner/repo/tree/1a2b3c4d", ("owner/repo", "1a2b3c4d")),
        ("https://hf.co/owner/repo/blob/1a2b3c4d/model.safetensors?download=true", ("owner/repo", "1a2b3c4d")),
        ("https://huggingface.co/owner/repo/tree/refs%2Fpr%2F7", ("owner/repo", "refs/pr/7")),
        (" owner/repo@1a2b3c4d ", ("owner/repo", "1a2b3c4d")),
        ("/srv/weights/wan/", ("/srv/weights/wan", "")),
    ],
)
def test_the_revision_of_an_address_is_kept(typed: str, expected: tuple[str, str]) -> None:
    assert repository_of(typed) == expected


def test_a_pinned_revision_comes_into_the_form(toy: Model, staff: Client) -> None:
    asked = {"family": "ltx", "source": "https://huggingface.co/owner/repo/tree/1a2b3c4d"}
    assert post_of(staff.get(f"{PAGE}add/", asked, follow=True).text)["revision"] == "1a2b3c4d"


def test_weights_that_are_here_already_and_a_revision_that_may_move_are_doubted(toy: Model, staff: Client) -> None:
    version = toy.current
    assert version is not None
    versions.write(versions.draft(toy, {**versions.state(version), "source": "owner/repo"}), by=None, note="")
    page = staff.get(f"{PAGE}add/", {"family": "ltx", "source": "owner/repo@abc"}, follow=True).text
    assert f"These weights are here already: {toy} (enabled)." in page
    assert "The revision abc is no commit" in page
    page = staff.get(f"{PAGE}add/", {"family": "ltx", "source": f"owner/another@{'1a2b' * 10}"}, follow=True).text
    assert "These weights" not in page
    assert "no commit" not in page


def test_nobody_chooses_a_family_by_leaving_the_list_alone(staff: Client, db: None) -> None:
    page = staff.get(f"{PAGE}add/").text
    assert post_of(page)["family"] == ""
    assert "Name both" in staff.get(f"{PAGE}add/", {"family": "", "source": "owner/repo"}).text


def test_a_new_model_is_filled_in_as_the_one_that_staff_picks(toy: Model, staff: Client) -> None:
    picked = factories.model("picked", is_default=False, sizes=["128x128"])
    asked = {"family": "ltx", "source": "owner/new", "like": "picked"}
    page = staff.get(f"{PAGE}add/", asked, follow=True).text
    assert f"Filled in as <strong>{picked}</strong> has it" in page
    assert post_of(page)["sizes"].split() == ["128x128"]
    assert "choose one of the same family" in staff.get(f"{PAGE}add/", {**asked, "family": "wan"}).text


def test_the_first_model_of_a_family_is_filled_in_by_what_its_pipelines_do(staff: Client, db: None) -> None:
    page = staff.get(f"{PAGE}add/", {"family": "cogvideox", "source": "owner/first"}, follow=True).text
    assert "Filled in as" not in page
    form = post_of(page)
    assert float(form["fps"]) == FAMILIES["cogvideox"].fps
    shown = set(re.findall(r'name="modes" value="(\w+)"', page))
    assert shown == set(FAMILIES["cogvideox"].modes)


def test_errors_stand_at_the_top_as_links(toy: Model, staff: Client) -> None:
    page = staff.post("/admin/catalog/model/add/", {"name": "Quick", "family": "ltx"}).text
    assert '<a href="#id_source">Source</a>: This field is required.' in page
