"""Staff at the catalogue's form, over HTTP."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models import User
from catalog import costs, measurements, versions
from catalog.models import Alias, Model
from catalog.seed import seed
from catalog.selection import choose
from tests.catalog.factories import draft_version, make_model
from tests.catalog.form_post import post_of

pytestmark = pytest.mark.django_db


def change_url(model: Model) -> str:
    return reverse("admin:catalog_model_change", args=[model.pk])


def save(browser: Client, url: str, **changes: Any) -> Any:
    """Load the form, change what ``changes`` say, send it: what a browser does."""
    page = browser.get(url)
    assert page.status_code == 200
    return browser.post(url, post_of(page.content.decode()) | changes, follow=True)


def errors_at(response: Any, field: str) -> str:
    form = response.context["adminform"].form
    return " ".join(form.errors.get(field, []))


def test_a_model_is_added_with_one_form(admin_browser: Client, staff: User) -> None:
    answer = save(
        admin_browser,
        reverse("admin:catalog_model_add"),
        name="LTX quick",
        slug="ltx-quick",
        summary="Quick.",
        status="enabled",
        aliases="quick, fast",
        family="ltx",
        source="Lightricks/LTX-Video",
        modes=["text", "image"],
        sizes="704x480\n1216x704",
        fps="24",
        presets="standard: {steps: 8, guidance_scale: 3.0}",
        prices="standard: {480p: 700, 720p: 1500}",
        licence="OpenRAIL-M",
        note="First try",
    )
    version = choose("fast")
    assert (version.model.slug, version.number, version.created_by, version.note) == (
        "ltx-quick",
        1,
        staff,
        "First try",
    )
    assert version.sizes == ["704x480", "1216x704"]
    assert version.presets == {"standard": {"steps": 8, "guidance_scale": 3.0}}
    assert "has never finished a clip: run a test render" in answer.content.decode()


@pytest.mark.parametrize(("quantisation", "least", "good"), [("nf4", "0.98", 0.99), ("int8", "0.995", 0.996)])
def test_enabling_what_quantisation_has_spoilt_warns(
    admin_browser: Client, quantisation: str, least: str, good: float
) -> None:
    model = make_model(quantisation=quantisation, enabled=False)
    assert model.current is not None
    facts = {"mode": "text", "preset": "standard", "width": 704, "height": 480, "peak_bytes": 1}
    for similarity, is_warned in ((float(least) - 0.001, True), (good, False), (None, False)):
        measurements.record(model.current, gpu_seconds=1, video_seconds=1, similarity=similarity, **facts)  # type: ignore[arg-type]
        page = save(admin_browser, change_url(model), status="enabled").content.decode()
        assert (f"and {least} is the least" in page) == is_warned
        assert "never finished a clip" not in page


def test_saving_a_change_writes_a_new_version_and_serves_it_at_once(admin_browser: Client, staff: User) -> None:
    model = make_model()
    save(admin_browser, change_url(model), quantisation="int8", note="Smaller")
    version = choose("ltx-2b")
    assert (version.number, version.quantisation, version.created_by) == (2, "int8", staff)
    assert model.versions.get(number=1).quantisation == "none"
    assert "Quantisation" in LogEntry.objects.get().get_change_message()


def test_saving_without_a_change_writes_nothing(admin_browser: Client, subtests: pytest.Subtests) -> None:
    seed()
    for slug in ("preview", "ltx-2.5", "wan-2.2-a14b-fast", "hunyuan-video-1.5", "ltx-video-13b"):
        with subtests.test(slug=slug):
            model = Model.objects.get(slug=slug)
            answer = save(admin_browser, change_url(model))
            assert "was changed successfully" in answer.content.decode()
            assert model.versions.count() == 1


def test_two_people_at_one_form_do_not_undo_each_other_in_silence(admin_browser: Client, staff: User) -> None:
    model = make_model()
    opened = post_of(admin_browser.get(change_url(model)).content.decode())
    save(admin_browser, change_url(model), quantisation="int8")
    answer = admin_browser.post(change_url(model), opened | {"max_seconds": "4", "default_seconds": "4"})
    assert "Meanwhile staff@example.com has saved version 2" in answer.content.decode()
    assert (choose("ltx-2b").number, choose("ltx-2b").quantisation) == (2, "int8")


def test_turning_a_switch_writes_no_version(admin_browser: Client) -> None:
    model = make_model()
    save(admin_browser, change_url(model), status="retired", position="7")
    model.refresh_from_db()
    assert (model.status, model.position, model.versions.count()) == ("retired", 7, 1)


NOT_SERVED: tuple[tuple[str, Any, str], ...] = (
    ("sizes", "700x480", "704x480 instead of 700x480"),
    ("modes", ["control"], "LTX-Video has no mode 'control'"),
    ("prices", "standard: {480p: 700}", "standard has no price for 720p"),
    ("prices", "standard: {480p: 700", "This is not YAML, line"),
    ("presets", "- 8", "one entry for each preset"),
    ("blocked_territories", "EU, UK", "'UK' is not a territory"),
    ("loras", "- {weight_name: x}", "names no source"),
    ("aliases", "what?", "is not a name"),
    ("aliases", "other", "other is the name of a model"),
    ("canary_percent", "101", "less than or equal to 100"),
)


def test_what_cannot_be_served_is_refused_at_its_field_and_nothing_is_written(
    admin_browser: Client, subtests: pytest.Subtests
) -> None:
    make_model("other")
    model = make_model()
    for field, value, told in NOT_SERVED:
        with subtests.test(field=field, value=value):
            answer = save(admin_browser, change_url(model), **{field: value})
            assert told in errors_at(answer, field)
            assert model.versions.count() == 1


def cells(response: Any, name: str) -> dict[str, str]:
    """The inputs of a document in the form: cell → its value."""
    found = post_of(response.content.decode())
    return {key.removeprefix(f"{name}."): value for key, value in found.items() if key.startswith(f"{name}.")}


def test_prices_are_a_table_of_presets_and_tiers(admin_browser: Client) -> None:
    model = make_model()
    page = admin_browser.get(change_url(model))
    prices = {"draft.480p": "800", "draft.720p": "1600", "standard.480p": "2000", "standard.720p": "4000"}
    assert cells(page, "prices") == prices
    assert list(prices) == list(cells(page, "prices")), "the quickest preset and the smallest tier come first"
    save(admin_browser, change_url(model), **{"prices.draft.720p": "1700"})
    assert choose("ltx-2b").prices == {
        "draft": {"480p": 800, "720p": 1700},
        "standard": {"480p": 2000, "720p": 4000},
    }


@pytest.mark.parametrize(
    ("changes", "cell", "told"),
    [
        ({"prices.standard.720p": ""}, "standard.720p", "There is no price."),
        ({"prices.standard.720p": "1999"}, "standard.720p", "Less than for 480p."),
        ({"prices.draft.480p": "0"}, "draft.480p", "Write a whole number above 0."),
        ({"prices.draft.480p": "1.5"}, "draft.480p", "Write a whole number above 0."),
        ({"sizes": "704x480\n1216x704\n1920x1088"}, "draft.1080p", "There is no price."),
        ({"presets": "fine: {steps: 9}", "default_preset": "fine"}, "fine.480p", "There is no price."),
    ],
)
def test_a_price_that_is_wrong_says_so_in_its_cell(
    admin_browser: Client, changes: dict[str, str], cell: str, told: str
) -> None:
    model = make_model()
    answer = save(admin_browser, change_url(model), **changes)
    assert errors_at(answer, "prices")
    assert answer.context["adminform"].form.fields["prices"].widget.problems[cell] == told
    assert f'id="id_prices.{cell}.problem">{told}' in answer.content.decode()
    assert model.versions.count() == 1


def test_a_table_without_a_price_is_refused(admin_browser: Client) -> None:
    model = make_model()
    nothing = dict.fromkeys((f"prices.{cell}" for cell in cells(admin_browser.get(change_url(model)), "prices")), "")
    assert "required" in errors_at(save(admin_browser, change_url(model), **nothing), "prices")
    assert model.versions.count() == 1


def test_a_preset_that_is_gone_takes_its_prices_along(admin_browser: Client) -> None:
    model = make_model()
    save(admin_browser, change_url(model), presets="standard: {steps: 30, guidance_scale: 3.0}")
    assert choose("ltx-2b").prices == {"standard": {"480p": 2000, "720p": 4000}}


REFERENCE = {"gpu_seconds": 20, "card": "H100", "size": "1216x704", "frames": 121, "steps": 40, "source": "a README"}


def reference_cells(**changes: str) -> dict[str, str]:
    return {f"reference_speed.{name}": str(value) for name, value in (REFERENCE | changes).items()}


def test_a_reference_speed_is_filled_in_field_by_field(admin_browser: Client) -> None:
    model = make_model()
    save(admin_browser, change_url(model), **reference_cells())
    assert choose("ltx-2b").reference_speed == REFERENCE
    shown = cells(admin_browser.get(change_url(model)), "reference_speed")
    assert shown == {name: str(value) for name, value in REFERENCE.items()}


@pytest.mark.parametrize(
    ("changes", "part", "told"),
    [
        ({"steps": ""}, "steps", "Fill in all of them, or none."),
        ({"frames": "some"}, "frames", "write a whole number"),
        ({"size": "large"}, "size", "WIDTHxHEIGHT"),
    ],
)
def test_a_part_of_a_reference_speed_that_is_wrong_says_so_beside_it(
    admin_browser: Client, changes: dict[str, str], part: str, told: str
) -> None:
    answer = save(admin_browser, change_url(make_model()), **reference_cells(**changes))
    assert errors_at(answer, "reference_speed")
    assert told in answer.context["adminform"].form.fields["reference_speed"].widget.problems[part]


def test_the_table_is_filled_with_suggested_prices_and_nothing_is_saved(admin_browser: Client) -> None:
    model = make_model()
    asked = reference_cells() | {"sizes": "704x480\n1216x704\n1920x1088", "name": "Not yet", "_suggest": "1"}
    answer = save(admin_browser, change_url(model), **asked)
    told = costs.suggested_prices(draft_version(sizes=["704x480", "1216x704", "1920x1088"], reference_speed=REFERENCE))
    assert cells(answer, "prices") == {
        f"{p}.{tier}": str(price) for p, row in told.items() for tier, price in row.items()
    }
    assert "Nothing is saved yet" in answer.content.decode()
    assert 'value="Not yet"' in answer.content.decode()
    model.refresh_from_db()
    assert (model.name, model.versions.count()) == ("Ltx 2B", 1)
    admin_browser.post(change_url(model), post_of(answer.content.decode()))
    assert choose("ltx-2b").prices == told


def test_prices_are_suggested_before_the_rest_of_a_new_model_is_filled_in(admin_browser: Client) -> None:
    make_model()  # from which the form of the family is filled in
    page = admin_browser.get(reverse("admin:catalog_model_add") + "?family=ltx&source=a/b")
    asked = post_of(page.content.decode()) | reference_cells() | {"slug": "", "source": "", "_suggest": "1"}
    answer = admin_browser.post(reverse("admin:catalog_model_add"), asked)
    assert not answer.context["adminform"].form.errors
    assert all(cells(answer, "prices").values())
    assert Model.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "field", "told"),
    [
        (
            reference_cells(gpu_seconds="", card="", size="", frames="", steps="", source=""),
            "reference_speed",
            "from it",
        ),
        (reference_cells(steps="none"), "reference_speed", "steps: write a whole number"),
        (reference_cells() | {"sizes": "704 by 480"}, "sizes", "is not a size"),
        (reference_cells() | {"sizes": ""}, "sizes", "required"),
        (reference_cells() | {"presets": "- 8"}, "presets", "one entry for each preset"),
        (reference_cells() | {"fps": "0"}, "fps", "from 1"),
    ],
)
def test_what_keeps_prices_from_being_suggested_is_told_at_its_field(
    admin_browser: Client, changes: dict[str, str], field: str, told: str
) -> None:
    answer = save(admin_browser, change_url(make_model()), **changes, _suggest="1")
    assert told in errors_at(answer, field)
    assert "Nothing is saved yet" not in answer.content.decode()


def test_what_was_typed_stays_in_the_form_beside_its_error(admin_browser: Client) -> None:
    model = make_model()
    answer = save(admin_browser, change_url(model), prices="standard: {480p: many}")
    assert "standard: {480p: many}" in answer.content.decode()


def test_taking_the_default_name_swaps_the_model(admin_browser: Client) -> None:
    make_model("old", aliases=("default",))
    new = make_model("new")
    answer = save(admin_browser, change_url(new), aliases="default")
    assert choose("default").model == new
    assert "Default was Old and is New now" in answer.content.decode()


def alias_url(name: str) -> str:
    return reverse("admin:catalog_alias_change", args=[Alias.objects.get(name=name).pk])


def test_an_alias_is_pointed_elsewhere_on_its_page_which_says_which_models_nobody_can_use(
    admin_browser: Client,
) -> None:
    seed()  # whose aliases but the default name drafts
    new = make_model("new")
    assert ">Wan 2.2 5B (draft)</option>" in admin_browser.get(alias_url("fast")).text
    assert "nobody: the model is a draft" in admin_browser.get(reverse("admin:catalog_alias_changelist")).text
    save(admin_browser, alias_url("fast"), model=str(new.pk))
    assert choose("fast").model == new


def test_the_default_is_swapped_by_the_page_alone_that_says_what_it_changes(admin_browser: Client) -> None:
    seed()
    new = make_model("new")
    assert f'<a href="{reverse("admin:catalogue")}">Make another one the default</a>' in (
        admin_browser.get(alias_url("default")).text
    )
    answer = admin_browser.post(alias_url("default"), {"model": str(new.pk)})
    assert answer.status_code == 403
    assert "Press “Make default” at another model" in answer.text
    assert choose("default").model.slug == "preview"


def test_a_draft_cannot_become_the_default(admin_browser: Client) -> None:
    seed()
    Alias.objects.filter(name="default").delete()
    draft = Model.objects.get(slug="wan-2.2-5b")
    answer = admin_browser.post(reverse("admin:catalog_alias_add"), {"name": "default", "model": str(draft.pk)})
    assert "Wan 2.2 5B is not enabled, and the default has to be" in answer.text


def test_a_version_that_no_rule_allows_any_more_does_not_come_back(admin_browser: Client) -> None:
    model = make_model()
    versions.write(draft_version(model, sizes=["700x480"]), by=None)
    versions.write(draft_version(model), by=None)
    url = reverse("admin:catalog_model_restore", args=[model.pk, 2])
    answer = admin_browser.post(url, follow=True)
    assert "Version 2 cannot be served any more" in answer.content.decode()
    assert choose("ltx-2b").number == 3


@pytest.mark.parametrize(("changes", "field"), [({"status": "retired"}, "status"), ({"aliases": ""}, "aliases")])
def test_there_is_always_a_default(admin_browser: Client, changes: dict[str, str], field: str) -> None:
    model = make_model(aliases=("default",))
    answer = save(admin_browser, change_url(model), **changes)
    assert "default" in errors_at(answer, field)
    assert choose("default").model == model


def test_an_enabled_model_has_no_reason_why_it_is_not(admin_browser: Client) -> None:
    model = make_model(enabled=True)
    Model.objects.filter(pk=model.pk).update(status_reason="Needs a download")
    assert "Needs a download" not in admin_browser.get(change_url(model)).text
    save(admin_browser, change_url(model), summary="Another")
    assert choose("ltx-2b").model.status_reason == ""


def test_a_capped_licence_cannot_be_enabled_while_the_revenue_is_unknown(
    admin_browser: Client, settings: Settings
) -> None:
    model = make_model(enabled=False, revenue_cap_dollars=10_000_000)
    answer = save(admin_browser, change_url(model), status="enabled")
    assert "ANNUAL_REVENUE_DOLLARS is not set" in errors_at(answer, "status")
    settings.ANNUAL_REVENUE_DOLLARS = 50_000
    Model.objects.filter(pk=model.pk).update(status_reason="The revenue is unknown")
    save(admin_browser, change_url(model), status="enabled")
    assert choose("ltx-2b").model == model
    assert choose("ltx-2b").model.status_reason == "", "it said why nobody could use the model"


def test_a_canary_is_saved_beside_the_current_version_then_promoted(admin_browser: Client) -> None:
    model = make_model()
    save(admin_browser, change_url(model), revision="next", is_canary="on", canary_percent="25")
    model.refresh_from_db()
    assert model.canary is not None
    assert (model.current and model.current.number, model.canary.number, model.canary_percent) == (1, 2, 25)
    admin_browser.post(reverse("admin:catalog_model_canary", args=[model.pk, "promote"]))
    assert choose("ltx-2b").number == 2
    assert not Model.objects.filter(canary__isnull=False).exists()


def test_a_dropped_canary_serves_nobody(admin_browser: Client) -> None:
    model = make_model()
    versions.write(draft_version(model, revision="next"), by=None, is_canary=True)
    admin_browser.post(reverse("admin:catalog_model_canary", args=[model.pk, "drop"]))
    model.refresh_from_db()
    assert (model.current and model.current.number, model.canary, model.canary_percent) == (1, None, 0)


def test_history_shows_who_changed_what_and_brings_it_back(admin_browser: Client, staff: User) -> None:
    model = make_model()
    save(admin_browser, change_url(model), quantisation="int8", note="Smaller")
    url = reverse("admin:catalog_model_versions", args=[model.pk])
    page = admin_browser.get(url + "?a=1&b=2").content.decode()
    for shown in ("staff@example.com", "Smaller", "<del>none</del> → <ins>int8</ins>", "Version 1 and version 2"):
        assert shown in page
    admin_browser.post(reverse("admin:catalog_model_restore", args=[model.pk, 1]))
    assert (choose("ltx-2b").number, choose("ltx-2b").quantisation) == (3, "none")
    assert "Brought version 1 back as version 3" in LogEntry.objects.first().get_change_message()  # type: ignore[union-attr]


def test_a_model_is_copied_with_save_as_new(admin_browser: Client) -> None:
    model = make_model(aliases=("quick",))
    save(admin_browser, change_url(model), _saveasnew="1", slug="copy", name="Copy", aliases="", source="a/b")
    copy = choose("copy")
    assert (copy.number, copy.source) == (1, "a/b")
    assert choose("quick").model == model


def test_save_as_new_with_an_error_shows_the_form_again(admin_browser: Client) -> None:
    model = make_model()
    answer = save(admin_browser, change_url(model), _saveasnew="1")  # with the slug of the model that it copies
    assert answer.status_code == 200
    assert "already exists" in errors_at(answer, "slug")


def test_a_status_that_is_none_is_told_once(admin_browser: Client) -> None:
    model = make_model(aliases=("default",))
    answer = save(admin_browser, change_url(model), status="nonsense")
    assert "nonsense is not one of the available choices" in errors_at(answer, "status")
    assert "default model" not in errors_at(answer, "status")


@pytest.mark.parametrize("page", ["versions", "change"])
def test_pages_are_for_staff(client: Client, page: str) -> None:
    model = make_model()
    answer = client.get(reverse(f"admin:catalog_model_{page}", args=[model.pk]))
    assert (answer.status_code, "/login" in answer.headers["Location"]) == (302, True)


@pytest.mark.parametrize("action", ["restore", "canary"])
def test_staff_who_may_only_look_cannot_change_history(client: Client, action: str) -> None:
    model = make_model()
    looker = User.objects.create_user("looker@example.com", "x", is_staff=True)
    client.force_login(looker)
    argument: Any = 1 if action == "restore" else "promote"
    answer = client.post(reverse(f"admin:catalog_model_{action}", args=[model.pk, argument]))
    assert (answer.status_code, model.versions.count()) == (403, 1)


def test_whoever_may_look_at_models_reads_each_field_and_changes_none(client: Client) -> None:
    model = make_model(presets={"standard": {"steps": 31}}, licence="Apache-2.0")
    looker = User.objects.create_user("looker@example.com", "x", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_model", content_type__app_label="catalog"))
    client.force_login(looker)
    page = client.get(reverse("admin:catalog_model_change", args=[model.pk]))
    assert page.status_code == 200
    for said in ("steps: 31", "Apache-2.0", "704x480", "standard:"):
        assert said in page.text, said
    shown = page.text.split('id="content-main"')[-1]
    assert "<select" not in shown
    assert "<textarea" not in shown
    assert 'name="_save"' not in shown


def test_no_model_is_ever_deleted(admin_browser: Client) -> None:
    model = make_model()
    assert admin_browser.post(reverse("admin:catalog_model_delete", args=[model.pk])).status_code == 403


@pytest.mark.parametrize(
    ("asked", "leads_to"),
    [
        ("", ""),
        ("?q=ltx", "?q=ltx"),
        ("?status__exact=draft&q=a+b", "?tab=drafts&q=a+b"),
        ("?current__family=ltx&status__exact=enabled&o=1", "?tab=enabled&q=LTX-Video"),
        ("?status__exact=nonsense", ""),
    ],
)
def test_there_is_one_list_of_models_and_it_keeps_what_was_asked_for(
    asked: str, leads_to: str, admin_browser: Client
) -> None:
    answer = admin_browser.get(reverse("admin:catalog_model_changelist") + asked)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/admin/catalogue/{leads_to}")


def test_the_page_of_versions_shows_what_fits_where_and_what_is_left_of_the_price(admin_browser: Client) -> None:
    sizes = {"text_encoder": 11_360_000_000, "transformer": 28_580_000_000, "vae": 250_000_000}
    model = make_model(component_bytes=sizes)
    page = f"/admin/catalog/model/{model.pk}/versions/"
    shown = admin_browser.get(page).text
    assert re.findall(r'<th scope="col">(\d+ GB)</th>', shown) == ["16 GB", "24 GB", "32 GB", "48 GB", "80 GB"]
    default_row = shown.split("Default clip: 704\u00a0×\u00a0480")[1].split("</tr>")[0]
    fits = re.findall(r"<td>(.*?)</td>", default_row)
    assert fits == ["block swap", "block swap", "encoder leaves", "resident", "resident"]
    assert model.current is not None
    clip: dict[str, Any] = {"mode": "text", "preset": "standard", "width": 704, "height": 480}
    measurements.record(model.current, **clip, gpu_seconds=18.0, video_seconds=5.0, peak_bytes=14 * 2**30)
    measured = admin_browser.get(page).text
    assert "<td>3.60</td>" in measured  # GPU seconds for one of video: $0.002 of cost, of a price of $0.02
    assert "<td>90 %</td>" in measured
    now = measured.split("Default clip: 704\u00a0×\u00a0480")[1].split("</tr>")[0]
    assert re.findall(r"<td>(.*?)</td>", now) == ["resident"] * 5
