"""What is no number to calculate with, or none that fits, is refused at its field, whichever way it came."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from math import isfinite
from typing import Any

import pytest
import yaml
from django.db import transaction
from django.db.models import FloatField, IntegerField
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from catalog import capabilities, costs, samples, transfer
from catalog.columns import FIELDS
from catalog.forms import CatalogueForm
from catalog.models import Model, ModelVersion
from gpu_worker.families import FAMILIES
from gpu_worker.families.arguments import COUNTS, FLAGS, LISTS, TEMPLATES
from tests.catalog.factories import LTX, make_model
from tests.catalog.form_post import post_of

pytestmark = pytest.mark.django_db

Place = tuple[str | int, ...]

COLUMNS = tuple(name for name in FIELDS if isinstance(ModelVersion._meta.get_field(name), IntegerField | FloatField))
VERSION: dict[str, Any] = LTX | {
    "presets": {"draft": {"steps": 8, "timesteps": [9] * 8}, "standard": LTX["presets"]["standard"]},
    "surcharges": {"image": 300},
    "component_bytes": {"vae": 5_000_000},
    "loras": [{"source": "a/b", "scale": 0.5}],
    "speed": {"mag_cache": {"threshold": 0.1, "max_skip_steps": 2, "retention_ratio": 0.2, "mag_ratios": [1.0]}},
    "reference_speed": {
        "gpu_seconds": 30,
        "card": "H100",
        "size": "704x480",
        "frames": 121,
        "steps": 30,
        "source": "A table.",
    },
}
IN_DOCUMENTS: tuple[Place, ...] = (
    ("presets", "standard", "steps"),
    ("presets", "standard", "guidance_scale"),
    ("presets", "draft", "timesteps", 0),
    ("prices", "standard", "480p"),
    ("surcharges", "image"),
    ("component_bytes", "vae"),
    ("loras", 0, "scale"),
    ("speed", "mag_cache", "threshold"),
    ("speed", "mag_cache", "max_skip_steps"),
    ("speed", "mag_cache", "mag_ratios", 0),
    ("reference_speed", "gpu_seconds"),
    ("reference_speed", "frames"),
    ("reference_speed", "steps"),
)
PLACES: tuple[Place, ...] = (
    ("position",),
    ("canary", "percent"),
    *(("version", column) for column in COLUMNS),
    *(("version", *place) for place in IN_DOCUMENTS),
)
NO_NUMBERS: tuple[Any, ...] = (
    *map(float, ("inf", "-inf", "nan", "1e308")),
    True,
    False,
    10**400,
    -(10**400),
    "many",
    [5],
    {},
)

numbers = (
    st.sampled_from(NO_NUMBERS)
    | st.sampled_from([0.0, -0.0, 5e-324, 0.5, 30.0, "30", ".inf", "nan", "9" * 400])
    | st.integers(-(2**70), 2**70)
    | st.integers(-3, 40)
    | st.floats()
    | st.floats(0, 40)
)


def file_with(place: Sequence[str | int], value: Any) -> str:
    """A catalogue of one model that can be served, but for ``value`` at ``place``."""
    version, canary = deepcopy(VERSION), {"percent": 5, "version": deepcopy(VERSION)}
    model: dict[str, Any] = {"name": "X", "summary": "S", "version": version, "canary": canary}
    inner: Any = model
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return yaml.dump({"models": {"x": model}}, Dumper=yaml.CSafeDumper)


def at(place: Sequence[str | int]) -> Any:
    """What the catalogue holds at ``place`` now."""
    model = Model.objects.with_versions().get()
    if place[0] == "position":
        return model.position
    if place[0] == "canary":
        return model.canary_percent
    assert model.current is not None
    value: Any = getattr(model.current, str(place[1]))
    for step in place[2:]:
        value = value[step]
    return value


def field_of(place: Sequence[str | int]) -> str:
    return str(place[1]) if place[0] == "version" else str(place[-1])


def test_the_file_that_the_refusals_start_from_is_good() -> None:
    transfer.load(file_with(("position",), 5))
    assert (at(("position",)), at(("version", "fps"))) == (5, 24)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_what_is_no_number_is_refused_with_the_field_and_what_to_write(place: Place) -> None:
    for value in NO_NUMBERS:
        with pytest.raises(transfer.BadFile) as refusal:
            transfer.load(file_with(place, value))
        line = str(refusal.value).splitlines()[0]
        assert line.startswith(f"x, {' '.join(map(str, place[:2])).removeprefix('version ')}"), line
        assert any(said in line.lower() for said in ("write", "valid integer", "less than", "greater than")), line
        assert len(line) < 200
    assert not Model.objects.exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(PLACES), numbers)
@example(place=("version", "fps"), value=1e-5)
@example(place=("version", "min_seconds"), value=-0.0)
@example(place=("version", "prices", "standard", "480p"), value=10**15)
@example(place=("version", "reference_speed", "gpu_seconds"), value=5e-324)
def test_a_number_that_is_taken_is_kept_and_the_model_can_be_offered(place: Place, value: Any) -> None:
    with transaction.atomic():
        try:
            transfer.load(file_with(place, value))
        except transfer.BadFile as refusal:
            assert field_of(place).removeprefix("min_").removeprefix("max_") in str(refusal)  # noqa: PT017  # both ends are fine, each says something else
            assert not Model.objects.exists()
        else:
            kept = at(place)
            assert isfinite(kept)
            assert kept == (float(value) if isinstance(value, str) else value)
            assert str(kept) not in ("-0", "-0.0") or place[0] == "version"
            offer_everything(Model.objects.with_versions().get())
            assert transfer.load(transfer.dump()) == []
        transaction.set_rollback(True)


def offer_everything(model: Model) -> None:
    """What pages and API make of a model: they show it, price it, and hand it to the GPU."""
    version = model.current
    assert version is not None
    version.model = model
    shown = capabilities.capabilities(version)
    assert shown["sizes"]
    assert samples.sample_of(version).credits >= 1
    assert all(worth.suggested_millicredits >= 1 for worth in costs.worths(version))
    assert version.fingerprint() != ""


@pytest.mark.parametrize("column", COLUMNS)
def test_the_form_refuses_it_at_its_field_too(admin_browser: Client, column: str) -> None:
    model = make_model()
    page = admin_browser.get(reverse("admin:catalog_model_change", args=[model.pk])).content.decode()
    assert CatalogueForm(post_of(page), instance=model).is_valid()
    for typed in ("inf", "nan", "-Infinity", "1e400", "true", "9" * 400, "9" * 5000, "1e999999999", "-1"):
        form = CatalogueForm(post_of(page) | {column: typed}, instance=model)
        assert column in form.errors, typed
        assert len(str(form.errors[column])) < 300


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (f"a: {'9' * 5000}", "cannot be read"),
        ("a: 2026-13-45", "cannot be read"),
        ("[" * 200_000, "nested too deeply"),
        ("- " * 200_000, "nested too deeply"),
        ("a: [", "line 2"),
        ("? [a]\n: 1", "line 1"),
    ],
    ids=["digits", "day", "brackets", "dashes", "bracket", "key"],
)
def test_a_document_that_cannot_be_read_says_so_in_a_file_and_in_the_form(text: str, cause: str) -> None:
    with pytest.raises(transfer.BadFile, match=cause):
        transfer.load(text)
    form = CatalogueForm({"presets": text}, instance=make_model())
    assert cause in form.errors["presets"][0]


@pytest.mark.parametrize("name", ["480", "on", ".inf"])
def test_a_name_that_yaml_takes_for_something_else_is_to_be_quoted(name: str) -> None:
    text = file_with(("version", "presets"), {}).replace("presets: {}", f"presets: {{{name}: {{steps: 8}}}}")
    with pytest.raises(transfer.BadFile, match=r"x, presets: .* write it in quotes"):
        transfer.load(text)


def test_every_argument_that_presets_may_set_has_a_kind() -> None:
    numbers_of_pipelines = {
        "audio_guidance_rescale", "audio_guidance_scale", "audio_modality_scale", "audio_stg_scale",
        "conditioning_scale", "decode_noise_scale", "decode_timestep", "denoise_strength", "eta", "guidance_rescale",
        "guidance_scale", "guidance_scale_2", "image_cond_noise_scale", "modality_scale", "motion_speed",
        "noise_scale", "stg_scale", "strength", "true_cfg_scale",
    }  # fmt: skip
    calls = (call for family in FAMILIES.values() for call in (family.call, *(m.call for m in family.modes.values())))
    assert {name for call in calls for name in call} == numbers_of_pipelines | FLAGS | LISTS | COUNTS | TEMPLATES
