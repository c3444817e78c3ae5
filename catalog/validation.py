"""Whether a version of a model can be served at all, checked against its family before anybody is offered it.

The admin shows each problem at its field, ``manage.py catalog load`` refuses a file with it: one set of rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from catalog import columns, price_list, territories
from catalog.columns import Problem
from catalog.costs import reference_problems
from catalog.models import ModelVersion
from catalog.pricing import TIERS
from catalog.sizes import Size
from gpu_worker.contract import ComponentSource, LoraSpec
from gpu_worker.families import EVERY_FAMILY, Family, speed
from gpu_worker.families.arguments import NOT_DONE, argument_problem
from gpu_worker.families.memory import quantisation_of
from gpu_worker.families.numbers import number_problem

LEAST_FPS, MOST_FPS = 1, 120
SCHEDULES = ("sigmas", "timesteps")
COMPONENT_FIELDS = {"source", "revision", "subfolder", "file", "quantisation"}
LORA_FIELDS = {"source", "revision", "weight_name", "scale", "component"}
MOST_LORA_SCALE = 100
MOST_COMPONENT_BYTES = 10**13

Problems = dict[str, list[str]]


def problems(version: ModelVersion) -> Problems:
    """Field → what is wrong with it and what would be right. Empty when the version can be served."""
    if not isinstance(version.family, str) or version.family not in EVERY_FAMILY:
        return {"family": [f"There is no family {version.family!r}. There are: {', '.join(EVERY_FAMILY)}."]}
    found: Problems = {}
    for stage in ((columns.problems,), _SHAPES, _MEANINGS):
        if not found:  # each stage trusts what the one before has checked
            for check in stage:
                _collect(found, check(version))
    return found


def _collect(found: Problems, new: Iterator[Problem]) -> None:
    for field, problem in new:
        found.setdefault(field, []).append(problem)


# --- shapes --------------------------------------------------------------------------------------------------


def _modes(version: ModelVersion) -> Iterator[Problem]:
    family = version.family_facts
    if not version.modes:
        yield "modes", "Choose at least one mode."
    for mode in version.modes:
        if mode not in family.modes:
            yield "modes", f"{family.title} has no mode {mode!r}. It has: {', '.join(family.modes)}."


def _sizes(version: ModelVersion) -> Iterator[Problem]:
    family = version.family_facts
    if not version.sizes:
        yield "sizes", "Name at least one size, the default first: 1280x704."
    for size in version.sizes:
        try:
            parsed = Size.parse(size)
        except ValueError as error:
            yield "sizes", str(error)
            continue
        if problem := family.size_problem(*parsed):
            yield "sizes", problem
        if parsed.pixels > max(TIERS.values()):
            yield "sizes", f"{size} is larger than the largest price tier, {list(TIERS)[-1]}."


def _presets(version: ModelVersion) -> Iterator[Problem]:
    presets = version.presets
    if not isinstance(presets, dict) or not presets:
        yield "presets", "Write one entry for each preset: `standard: {steps: 30, guidance_scale: 3.0}`."
        return
    for name, preset in presets.items():
        steps: Any = preset.get("steps") if isinstance(preset, dict) else None
        if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", name):
            yield "presets", f"{name!r} is not a name: small letters, digits and hyphens."
        elif not _is_count(steps):
            yield "presets", f"{name} has no steps: write `{name}: {{steps: 30, …}}`."
        elif schedule := next((x for x in SCHEDULES if x in preset and _length(preset[x]) != steps), None):
            yield "presets", f"{name} takes {steps} steps, and its {schedule} has {_length(preset[schedule])}."
        elif steps > version.max_steps:
            yield "presets", f"{name} takes {steps} steps, and the model is limited to {version.max_steps}."
    if version.default_preset not in presets:
        yield "default_preset", f"There is no preset {version.default_preset!r}. There are: {', '.join(presets)}."


def _remote(version: ModelVersion) -> Iterator[Problem]:
    """A provider's clip has one price whatever its steps, so nobody can choose them; its source names who is asked."""
    if not version.family_facts.is_remote:
        return
    account, _, model = version.source.partition("/")
    if not account or not model:
        yield "source", "Name the account and the provider's model: `google/veo-3.1-generate-preview`."
    if version.max_steps != 1 or any(preset.get("steps") != 1 for preset in version.presets.values()):
        yield "presets", "Providers take no steps: write `standard: {steps: 1}`, and 1 as the most steps."
    if version.upscale != 1:
        yield "upscale", "Providers' clips come in the size that was asked for: write 1."
    if version.snapshots_in_store:
        yield "snapshots_in_store", "Providers go on with their clips themselves."


def _component_bytes(version: ModelVersion) -> Iterator[Problem]:
    if not isinstance(version.component_bytes, dict):
        yield "component_bytes", "Write bytes for each component: `transformer: 2840000000`."
        return
    for name, size_bytes in version.component_bytes.items():
        if problem := number_problem(size_bytes, least=1, most=MOST_COMPONENT_BYTES, is_whole=True):
            yield "component_bytes", f"{name}, in bytes: {problem}"


def _speed(version: ModelVersion) -> Iterator[Problem]:
    family = version.family_facts
    modes = family.modes.keys() & set(version.modes)
    found = list(speed.problems(version.speed, family, modes))
    yield from (("speed", problem) for problem in found)
    if not found and isinstance(version.components, dict) and (problem := _products_problem(version)):
        yield "speed", problem


def _products_problem(version: ModelVersion) -> str | None:
    named = version.components.get("transformer")
    is_readable = isinstance(named, dict) and not named.keys() - COMPONENT_FIELDS
    source = ComponentSource.from_wire(named) if is_readable else None
    return speed.products_problem(version.speed, quantisation_of("transformer", version.quantisation, source))


def _components(version: ModelVersion) -> Iterator[Problem]:
    if not isinstance(version.components, dict):
        yield "components", "Write one line for each: `text_encoder: {source: owner/repository}`."
        return
    has_file = False
    for name, values in version.components.items():
        if not isinstance(values, dict) or not values or not all(isinstance(v, str) and v for v in values.values()):
            yield "components", f"{name}: say where it comes from, in words: `{{source: owner/repository}}`."
        elif unknown := set(values) - COMPONENT_FIELDS:
            takes = ", ".join(sorted(COMPONENT_FIELDS))
            yield "components", f"{name}: there is no {', '.join(sorted(unknown))}; only {takes}."
        elif name not in version.family_facts.components:
            components = ", ".join(version.family_facts.components)
            yield "components", f"{version.family_facts.title} has no {name!r}. It has: {components}."
        else:
            source = ComponentSource.from_wire(values)
            has_file |= bool(source.file)
            yield from (("components", f"{name}: {problem}") for problem in _source_problems(name, source))
    if version.quantisation == "gguf" and not has_file:
        yield "components", "gguf needs the file: `transformer: {source: owner/repository, file: model-Q8_0.gguf}`."


def _source_problems(name: str, source: ComponentSource) -> Iterator[str]:
    kinds = ModelVersion._meta.get_field("quantisation").choices or ()
    if source.quantisation and source.quantisation not in [kind for kind, _ in kinds]:
        yield f"there is no quantisation {source.quantisation!r}."
    if source.file and (not source.file.endswith(".gguf") or not name.startswith("transformer")):
        yield "a single file is a transformer in the GGUF format: its name ends in .gguf."
    if source.file and (source.subfolder or source.quantisation):
        yield "a single file has no subfolder and is quantised already."
    if source.revision and not source.source:
        yield "a revision belongs to a source."


def _loras(version: ModelVersion) -> Iterator[Problem]:
    if not isinstance(version.loras, list):
        yield "loras", "Write a list: `- {source: owner/repository, weight_name: file.safetensors, scale: 1.0}`."
        return
    for number, lora in enumerate(version.loras, 1):
        if not isinstance(lora, dict) or "source" not in lora:
            yield "loras", f"LoRA {number} names no source."
        elif unknown := set(lora) - LORA_FIELDS:
            yield "loras", f"LoRA {number}: there is no {', '.join(sorted(unknown))}; only {', '.join(LORA_FIELDS)}."
        elif not all(isinstance(value, str) for name, value in lora.items() if name != "scale"):
            yield "loras", f"LoRA {number}: write words for {', '.join(x for x in LORA_FIELDS if x != 'scale')}."
        elif problem := number_problem(lora.get("scale", 1.0), least=-MOST_LORA_SCALE, most=MOST_LORA_SCALE):
            yield "loras", f"LoRA {number}, scale: {problem}"
        elif LoraSpec.from_wire(lora).component not in version.family_facts.components:
            components = ", ".join(version.family_facts.components)
            yield "loras", f"LoRA {number}: {version.family_facts.title} has no such component. It has: {components}."


def _territories(version: ModelVersion) -> Iterator[Problem]:
    for code in version.blocked_territories:
        if not territories.is_known(code):
            yield "blocked_territories", f"{code!r} is not a territory: ISO 3166-1 letters (KR, GB), or EU."


# --- meanings ------------------------------------------------------------------------------------------------


def _seconds(version: ModelVersion) -> Iterator[Problem]:
    family = version.family_facts
    if problem := number_problem(version.fps, least=LEAST_FPS, most=MOST_FPS):
        yield "fps", f"Frames per second: {problem}"
        return
    lengths = ("min_seconds", "default_seconds", "max_seconds")
    if too_short := [field for field in lengths if not getattr(version, field) > 0]:
        yield from ((field, "Write a number above 0.") for field in too_short)
        return
    if not version.min_seconds <= version.default_seconds <= version.max_seconds:
        yield "default_seconds", "The default must lie between the shortest and the longest."
        return
    if version.max_seconds > family.max_seconds:
        yield "max_seconds", f"{family.title} makes at most {family.max_seconds:g} seconds."
        return
    for field in ("min_seconds", "max_seconds"):
        wanted = getattr(version, field)
        made = family.frames_for(wanted, version.fps) / version.fps
        if abs(made - wanted) > _rounding(family, version.fps):
            yield field, f"{family.title} cannot make {wanted:g} s at {version.fps:g} fps; the nearest is {made:.3g} s."


def _rounding(family: Family, fps: float) -> float:
    """How far a length may be from the nearest that the frame rule allows: one step of the rule."""
    return max(family.frames.step, 1) / fps


def _limits(version: ModelVersion) -> Iterator[Problem]:
    family = version.family_facts
    if not 1 <= version.upscale <= 16:
        yield "upscale", "A whole factor from 1 to 16."
    if version.max_prompt_characters > family.max_prompt_characters:
        yield "max_prompt_characters", f"{family.title} takes {family.max_prompt_characters:,} characters."
    if version.timeout_seconds < 30:
        yield "timeout_seconds", "At least 30 seconds, or no clip will ever be finished."


def _presets_say_what_the_pipeline_takes(version: ModelVersion) -> Iterator[Problem]:
    family = version.family_facts
    in_every_mode = set.intersection(*({*family.modes[mode].call} for mode in version.modes))
    known = {"steps", *family.call, *in_every_mode}
    for name, preset in version.presets.items():
        if not_done := [argument for argument in preset if argument in NOT_DONE]:
            yield from (("presets", f"{name}, {argument}: {NOT_DONE[argument]}") for argument in not_done)
        elif unknown := sorted(set(preset) - known):
            takes = ", ".join(sorted(known)) if len(known) > 1 else "steps only"
            yield "presets", f"{name}: {family.title} takes no {', '.join(unknown)} in these modes. It takes: {takes}."
        else:
            yield from (("presets", f"{name}, {problem}") for problem in _argument_problems(version, name))


def _argument_problems(version: ModelVersion, name: str) -> Iterator[str]:
    family = version.family_facts
    for argument, value in version.preset_call(name).items():
        if problem := argument_problem(argument, value):
            yield f"{argument}: {problem}"
        elif argument == "max_sequence_length" and not family.prompt_marks < value <= family.prompt_tokens:
            least, most = family.prompt_marks + 1, family.prompt_tokens
            yield f"{argument}: {family.title} reads {least} to {most:,} tokens; this is {value:,}."


def _components_exist(version: ModelVersion) -> Iterator[Problem]:
    components = version.family_facts.components
    for name in version.component_bytes:
        if name not in components:
            yield "component_bytes", f"{version.family_facts.title} has no {name!r}. It has: {', '.join(components)}."


def _reference_speed(version: ModelVersion) -> Iterator[Problem]:
    yield from (("reference_speed", problem) for problem in reference_problems(version.reference_speed))


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list) else 0


def _is_count(value: Any) -> bool:
    return number_problem(value, least=1, is_whole=True) is None


Check = Callable[[ModelVersion], Iterator[Problem]]
_SHAPES: tuple[Check, ...] = (
    _modes,
    _sizes,
    _presets,
    price_list.shape_problems,
    _component_bytes,
    _speed,
    _components,
    _loras,
    _territories,
    _reference_speed,
)
_MEANINGS: tuple[Check, ...] = (
    _seconds,
    _limits,
    _presets_say_what_the_pipeline_takes,
    price_list.gaps,
    _components_exist,
    _remote,
)
