"""The catalogue as YAML: round trip, idempotence, refusals."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts.models import User
from catalog import transfer, versions
from catalog.columns import FIELDS
from catalog.models import Alias, Model
from catalog.seed import FILE, seed
from tests.catalog.factories import draft_version, make_model
from tests.properties import examples

pytestmark = pytest.mark.django_db


def test_the_seeded_catalogue_loads_once_and_then_changes_nothing() -> None:
    assert "preview" in seed()
    assert seed() == []
    assert transfer.load(FILE.read_text()) == []


def test_what_is_dumped_loads_back_into_the_same_catalogue() -> None:
    seed()
    model = make_model("ltx-canary", aliases=("quick",))
    versions.write(draft_version(model, revision="abc"), by=None, is_canary=True)
    Model.objects.filter(pk=model.pk).update(canary_percent=20)
    text = transfer.dump()
    Model.objects.update(current=None, canary=None, status="draft")
    for row in Model.objects.all():
        row.versions.all().delete()
    Model.objects.all().delete()
    transfer.load(text)
    assert transfer.dump() == text
    assert Model.objects.get(slug="ltx-canary").canary_percent == 20


def test_a_placement_may_have_its_former_name_in_a_file_and_in_a_row() -> None:
    model = make_model(placement="block_swap")
    document = yaml.safe_load(transfer.dump())
    assert document["models"]["ltx-2b"]["version"]["placement"] == "block_swap"
    document["models"]["ltx-2b"]["version"]["placement"] = "streamed"
    assert transfer.load(yaml.safe_dump(document)) == []

    former = draft_version(model, placement="streamed")
    former.number = 2
    former.build = former.fingerprint()
    former.save(force_insert=True)
    stored = model.versions.get(number=2)
    assert (stored.placement, stored.spec().placement) == ("block_swap", "block_swap")
    assert stored.build == model.versions.get(number=1).build, "what was measured under the other name counts"


def test_loading_a_changed_file_writes_a_new_version_and_keeps_the_old_one() -> None:
    model = make_model()
    document = yaml.safe_load(transfer.dump())
    document["models"]["ltx-2b"]["version"]["max_seconds"] = 4.5
    document["models"]["ltx-2b"]["version"]["default_seconds"] = 4
    changes = transfer.load(yaml.safe_dump(document))
    assert [(c.slug, c.what) for c in changes] == [("ltx-2b", "version 2")]
    assert list(model.versions.values_list("number", "max_seconds")) == [(2, 4.5), (1, 5)]


def test_a_file_with_one_bad_model_changes_nothing_and_names_the_field() -> None:
    make_model()
    document = yaml.safe_load(transfer.dump())
    document["models"]["ltx-2b"]["version"]["max_seconds"] = 3
    document["models"]["ltx-2b"]["version"]["default_seconds"] = 3
    document["models"]["other"] = {**document["models"]["ltx-2b"], "version": {**draft_state(), "sizes": ["100x100"]}}
    with pytest.raises(transfer.BadFile, match=r"other, sizes: .*96x96 instead of 100x100"):
        transfer.load(yaml.safe_dump(document))
    assert Model.objects.count() == 1
    assert Model.objects.get().versions.count() == 1


def draft_state() -> dict[str, object]:
    return {k: v for k, v in versions.state(draft_version()).items() if v not in ("", None)}


GOOD = """
models:
  x:
    name: X
    summary: S
    version: {family: ltx, source: a/b, modes: [text], sizes: [704x480], fps: 24, licence: L,
              presets: {standard: {steps: 8}}, prices: {standard: {480p: 1}}}
"""


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("models: [", "not YAML"),
        ("- a list", "no `models:`"),
        ("models: {x: [1]}", "Invalid data"),
        ("models: {x: {name: X, summary: S}}", "version: This field is required"),
        ("models: {x: {name: X, summary: S, colour: red, version: {}}}", "no field 'colour'"),
        ("models: {x: {name: X, summary: S, version: {familly: ltx}}}", "no field 'familly'"),
        ("models: {x: {name: X, summary: S, version: {family: ltx}}}", "source: is missing"),
        ("models: {x: {name: X, summary: S, status: on, version: {family: ltx}}}", "status: .* not a valid choice"),
        (GOOD.replace("  x:", "  X Y:"), "is not a slug"),
        (GOOD.replace("name: X", "name: X\n    position: first"), "position: A valid integer is required"),
        (GOOD.replace("name: X", "name: X\n    aliases: [a b]"), "aliases 0: Small letters"),
        (GOOD.replace("name: X", "name: X\n    aliases: [x]"), "x is the name of another model"),
        (
            GOOD.replace("name: X", "name: X\n    canary: {percent: 101}"),
            "canary percent: .* less than or equal to 100",
        ),
        (GOOD.replace("name: X", "name: X\n    canary: 5"), "canary .*Invalid data"),
        (GOOD.replace("fps: 24", "fps: fast"), "fps: Write a number of at least 0; this is 'fast'"),
        (GOOD.replace("fps: 24", "fps: .nan"), r"fps: Write a number .*; this is \.nan"),
        (GOOD.replace("fps: 24", "fps: .inf"), r"fps: Write a number .*; this is \.inf"),
        (GOOD.replace("modes: [text]", "modes: 5"), "modes: Write a list of words"),
        (GOOD.replace("steps: 8", "steps: 8, day: 2026-01-01"), "presets: Only words, numbers, lists"),
        (GOOD.replace("steps: 8", "steps: 8, x: .nan"), r"presets: standard, x: write a number; this is \.nan"),
        (GOOD.replace("source: a/b", 'source: "a\\0b"'), "source: NUL"),
        (GOOD.replace("source: a/b", f"source: {'a' * 301}"), "source: .*at most 300"),
    ],
)
def test_a_file_of_another_shape_is_refused_with_the_cause(text: str, cause: str) -> None:
    with pytest.raises(transfer.BadFile, match=cause):
        transfer.load(text)
    assert not Model.objects.exists()


def test_the_file_that_the_refusals_start_from_is_good() -> None:
    assert [change.what for change in transfer.load(GOOD)] == ["added"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(FIELDS), json_values)
@example(field="speed", value={"first_block_cache": {"threshold": 3.602879701896397e16}})
@example(field="reference_speed", value=None)
def test_whatever_stands_in_a_field_is_loaded_or_refused_and_never_breaks(field: str, value: Any) -> None:
    document = yaml.safe_load(GOOD)
    document["models"]["x"]["version"][field] = value
    with transaction.atomic():
        try:
            transfer.load(yaml.safe_dump(document))
            assert transfer.load(yaml.safe_dump(document)) == []
        except transfer.BadFile:
            assert not Model.objects.exists()
        transaction.set_rollback(True)


def test_a_file_cannot_take_the_default_away() -> None:
    seed()
    text = FILE.read_text()
    for without in (text.replace("aliases: [default]", ""), text.replace("status: enabled", "status: retired", 1)):
        with pytest.raises(transfer.BadFile, match="alias default"):
            transfer.load(without)
    assert Alias.objects.get(name="default").model.is_enabled


def test_seeding_again_leaves_the_edits_of_staff_alone() -> None:
    seed()
    preview = Model.objects.get(slug="preview")
    Model.objects.filter(pk=preview.pk).update(name="Our toy")
    other = make_model("other")
    versions.point_aliases(other, ["default"])
    assert preview.current is not None
    versions.write(versions.draft(preview, versions.state(preview.current) | {"upscale": 4}), by=None)
    assert seed() == []
    preview.refresh_from_db()
    assert (preview.name, preview.current and preview.current.upscale) == ("Our toy", 4)
    assert Alias.objects.get(name="default").model == other


def test_the_command_dumps_and_loads(tmp_path: Path) -> None:
    seed()
    out = StringIO()
    call_command("catalog", "dump", stdout=out)
    file = tmp_path / "models.yaml"
    file.write_text(out.getvalue().replace("name: Preview", "name: Toy"))
    out = StringIO()
    call_command("catalog", "load", str(file), stdout=out)
    assert out.getvalue() == "preview: name\n"
    assert Model.objects.get(slug="preview").name == "Toy"


def test_the_command_writes_whose_versions_they_are(tmp_path: Path) -> None:
    author = User.objects.create_user("ada@example.com")
    file = tmp_path / "models.yaml"
    file.write_text(GOOD)
    with pytest.raises(CommandError, match=r"There is no user bob@example\.com"):
        call_command("catalog", "load", str(file), by="bob@example.com")
    call_command("catalog", "load", str(file), by="Ada@example.com", stdout=StringIO())
    assert Model.objects.get().versions.get().created_by == author


def test_the_command_says_why_it_refuses(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        call_command("catalog", "load", str(tmp_path / "absent.yaml"))
