"""What a family says of itself holds: rules, names, and arguments that the real pipelines take."""

from __future__ import annotations

import inspect
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import pytest
from diffusers.pipelines.hunyuan_video1_5.image_processor import HunyuanVideo15ImageProcessor
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from catalog import documents
from gpu_worker.contract import ModelSpec, RenderJob
from gpu_worker.families import FAMILIES, ROLES, Family, FrameRule, Kind, Mode, family, find_families
from gpu_worker.families.arguments import NOT_DONE
from gpu_worker.families.cogvideox import text_arguments
from gpu_worker.families.pictures import fitted_mask, fitted_video, last_frames
from tests.families.test_modes import CASES, job_for, loaded

ROOT = Path(__file__).parents[2]


def test_a_family_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mochi.py").write_text(
        "import dataclasses\n"
        "from gpu_worker.families.wan import FAMILY as WAN\n"
        "FAMILY = dataclasses.replace(WAN, name='mochi')\n"
    )
    (tmp_path / "rounding.py").write_text("STEP = 6\n")
    monkeypatch.setattr("gpu_worker.families.__path__", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "gpu_worker.families.mochi", raising=False)
    assert list(find_families()) == ["mochi"]


def test_a_family_is_called_like_its_file() -> None:
    folder = ROOT / "gpu_worker" / "families"
    assert FAMILIES.keys() == {file.stem for file in folder.glob("*.py") if "FAMILY = Family(" in file.read_text()}


families = st.sampled_from(sorted(FAMILIES.values(), key=lambda f: f.name))


@given(families, st.integers(-50, 3_000))
def test_the_nearest_frame_count_is_allowed_and_none_is_nearer(family: Family, wanted: int) -> None:
    nearest = family.frames.nearest(wanted)
    assert family.frames.allows(nearest)
    nearer = range(wanted - abs(nearest - wanted) + 1, wanted + abs(nearest - wanted))
    assert not any(family.frames.allows(n) for n in nearer)


@given(families, st.floats(0.1, 60))
def test_a_longer_clip_never_has_fewer_frames(family: Family, seconds: float) -> None:
    assert family.frames_for(seconds) <= family.frames_for(seconds + 0.5)


@given(families, st.integers(1, 4_000), st.integers(1, 4_000))
def test_a_refused_size_comes_with_one_that_is_not(family: Family, width: int, height: int) -> None:
    problem = family.size_problem(width, height)
    if problem is not None:
        better = problem.split(": ")[1].split()[0]
        assert family.size_problem(*(int(side) for side in better.split("x"))) is None


@pytest.mark.parametrize(("family_name", "mode"), CASES)
def test_every_preset_of_every_mode_is_a_call_that_the_pipeline_takes(family_name: str, mode: str) -> None:
    made_by = FAMILIES[family_name]
    job = job_for(family_name, mode, family_name)
    inputs = {role: loaded(role) for role in (*made_by.modes[mode].needs, *made_by.modes[mode].accepts)}
    for preset in made_by.presets.values():
        call = {name: value for name, value in preset.items() if name != "steps"}
        pipeline = getattr(diffusers, made_by.modes[mode].pipeline_for(call))
        accepted = set(inspect.signature(pipeline.__call__).parameters)
        arguments = made_by.modes[mode].arguments(replace(job, call=call, steps=preset["steps"]), inputs)
        assert set(arguments) <= accepted, set(arguments) - accepted


@pytest.mark.parametrize(("family_name", "mode"), CASES)
def test_what_a_preset_may_set_is_what_the_pipeline_takes(family_name: str, mode: str) -> None:
    made_by = FAMILIES[family_name]
    pipeline = getattr(diffusers, made_by.modes[mode].pipeline)
    accepted = set(inspect.signature(pipeline.__call__).parameters)
    assert {*made_by.call, *made_by.modes[mode].call} <= accepted


@pytest.mark.parametrize(("family_name", "mode"), CASES)
def test_every_input_is_a_role_that_people_are_told_about(family_name: str, mode: str) -> None:
    given = FAMILIES[family_name].modes[mode]
    assert {*given.needs, *given.accepts} <= set(ROLES)
    assert all(("video" in role) == (ROLES[role].kind == Kind.CLIP) for role in given.needs)


@pytest.mark.parametrize("made_by", FAMILIES.values(), ids=lambda f: f.name)
def test_presets_set_what_they_may(made_by: Family) -> None:
    for preset in made_by.presets.values():
        assert set(preset) <= {"steps", *made_by.call}


@pytest.mark.parametrize("made_by", FAMILIES.values(), ids=lambda f: f.name)
def test_components_are_what_the_pipelines_are_made_of(made_by: Family) -> None:
    pipelines = [getattr(diffusers, mode.pipeline) for mode in made_by.modes.values()]
    parts = set().union(*(inspect.signature(pipeline.__init__).parameters for pipeline in pipelines))
    assert set(made_by.components) <= parts
    assert set(made_by.shared) <= set(made_by.components)


@pytest.mark.parametrize("made_by", FAMILIES.values(), ids=lambda f: f.name)
def test_a_family_without_step_callback_is_one_whose_pipelines_have_none(made_by: Family) -> None:
    for mode in made_by.modes.values():
        signature = inspect.signature(getattr(diffusers, mode.pipeline).__call__)
        assert ("callback_on_step_end" in signature.parameters) == made_by.has_step_callback


@pytest.mark.parametrize("made_by", FAMILIES.values(), ids=lambda f: f.name)
def test_presets_with_a_schedule_have_as_many_steps_as_it_has(made_by: Family) -> None:
    for preset in made_by.presets.values():
        for schedule in ("sigmas", "timesteps"):
            assert len(preset.get(schedule, range(preset["steps"]))) == preset["steps"]


def test_an_unknown_family_is_refused_with_those_there_are() -> None:
    with pytest.raises(KeyError, match="No model family 'sora'; there are: cogvideox, framepack"):
        family("sora")


# --- what people upload ------------------------------------------------------------------------------------------

JOB = RenderJob(
    generation_id="g",
    attempt=1,
    model=ModelSpec(slug="x", version=1, family="wan", source="x"),
    mode="text",
    prompt="",
    seed=0,
    width=64,
    height=32,
    num_frames=9,
    fps=16,
    steps=1,
    outputs={},
    timeout_seconds=1,
)
GREEN, RED = (0, 255, 0), (255, 0, 0)


def shaded(count: int) -> list[Image.Image]:
    """Frames that can be told apart by the red of their pixels."""
    return [Image.new("RGB", (40, 40), (n, 0, 0)) for n in range(count)]


def shades(frames: list[Image.Image]) -> list[int]:
    return [frame.getpixel((5, 5))[0] for frame in frames]  # type: ignore[index]


def test_a_video_is_cut_or_held_to_the_length_of_the_clip() -> None:
    assert shades(fitted_video(shaded(12), JOB)) == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert shades(fitted_video(shaded(3), JOB)) == [0, 1, 2, 2, 2, 2, 2, 2, 2]
    assert {frame.size for frame in fitted_video(shaded(3), JOB)} == {(64, 32)}


def test_a_clip_goes_on_from_the_last_frames_of_the_one_before() -> None:
    assert shades(last_frames(shaded(40), JOB, most=17, step=4)) == [35, 36, 37, 38, 39]
    assert shades(last_frames(shaded(3), JOB, most=17, step=4)) == [2]
    long = replace(JOB, num_frames=81)
    assert shades(last_frames(shaded(40), long, most=17, step=4)) == list(range(23, 40))


@given(st.integers(1, 60), st.integers(1, 50), st.sampled_from([4, 8]), st.integers(1, 12))
def test_what_a_clip_starts_from_is_never_longer_than_it(given_frames: int, most: int, step: int, latents: int) -> None:
    job = replace(JOB, num_frames=latents * step + 1)
    kept = last_frames(shaded(given_frames), job, most=most, step=step)
    assert len(kept) % step == 1
    assert len(kept) < job.num_frames
    assert len(kept) <= max(1, most)


def test_pictures_are_cropped_around_their_middle_rather_than_stretched() -> None:
    tall = Image.new("RGB", (64, 96), RED)
    tall.paste(GREEN, (0, 32, 64, 64))
    (frame, *_) = fitted_video([tall], JOB)
    assert frame.getpixel((0, 0)) == frame.getpixel((63, 31)) == GREEN


def test_one_mask_holds_for_every_frame() -> None:
    masks = fitted_mask(Image.new("RGB", (10, 10), "white"), JOB)
    assert (len(masks), masks[0].mode, masks[8].getpixel((0, 0))) == (9, "L", 255)


def test_the_docs_list_every_family_with_its_modes() -> None:
    lines = (ROOT / "docs" / "models.md").read_text().split("## Families")[1].splitlines()
    for made_by in FAMILIES.values():
        (row,) = [line for line in lines if line.startswith(f"| `{made_by.name}` |")]
        assert row.rstrip(" |").split("| ")[-1].split(", ") == list(made_by.modes)


def test_the_family_that_contributing_shows_is_one() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text().split("## Add a model family")[1]
    code = textwrap.dedent(text.split("```python\n")[1].split("```")[0])
    assert len(code.splitlines()) <= 11
    scope: dict[str, Any] = {"Family": Family, "FrameRule": FrameRule, "Mode": Mode, "text_arguments": text_arguments}
    exec(code, scope)  # noqa: S102 - our own documentation
    shown: Family = scope["FAMILY"]
    pipeline = getattr(diffusers, shown.modes["text"].pipeline)
    call = {name: value for name, value in shown.presets["standard"].items() if name != "steps"}
    assert set(call) <= set(shown.call)
    job = replace(JOB, call=call, num_frames=shown.frames.nearest(JOB.num_frames))
    assert set(shown.modes["text"].arguments(job, {})) <= set(inspect.signature(pipeline.__call__).parameters)
    assert set(shown.components) <= set(inspect.signature(pipeline.__init__).parameters)


def test_rows_of_hunyuan_15_image_checkpoints_offer_sizes_that_they_make() -> None:
    """The pipeline takes no size: it picks the bucket nearest to the picture's shape, and we crop to the clip's."""
    rows = documents.read((ROOT / "catalog" / "seed.yaml").read_text())["models"].values()
    versions = [row["version"] for row in rows if row["version"]["family"] == "hunyuan15"]
    images = [version for version in versions if "image" in version["modes"]]
    assert images
    processor = HunyuanVideo15ImageProcessor(vae_scale_factor=16)
    for size in (size for version in images for size in version["sizes"]):
        width, height = (int(side) for side in size.split("x"))
        assert processor.calculate_default_height_width(height, width, target_size=640) == (height, width)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda made_by: made_by.name)
def test_no_preset_may_set_what_the_engine_cannot_do(family: Family) -> None:
    calls = {*family.call}.union(*(mode.call for mode in family.modes.values()))
    assert not NOT_DONE.keys() & calls
