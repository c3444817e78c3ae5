"""What the form is filled with from a clip, to make it again or go on from it, and what of it has to be chosen anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.caller import Caller
from catalog.models import Model
from catalog.selection import chosen_of
from catalog.titles import title_of
from generation.models import Generation
from generation.recipes import Recipe
from generation.sharing.public import SharedClip
from generation.storage import files
from gpu_worker.families import ROLES

GOES_ON: Final = "extend"
"""The mode that makes a clip longer."""
_ADD_AGAIN: Final = {
    "image": gettext_lazy("Add the start frame again."),
    "last_image": gettext_lazy("Add the end frame again."),
    "video": gettext_lazy("Add the source video again."),
    "mask": gettext_lazy("Add the mask (white = replace) again."),
    "control_video": gettext_lazy("Add the motion reference (pose, depth or edges) again."),
    "reference_image": gettext_lazy("Add the reference image again."),
    "reference_image_2": gettext_lazy("Add the reference image 2 again."),
    "reference_image_3": gettext_lazy("Add the reference image 3 again."),
    "audio": gettext_lazy("Add the sound again."),
}
"""By role."""


@dataclass(frozen=True, slots=True)
class Prefill:
    """The form's values, and what has to be said beside them."""

    values: dict[str, Any] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)


def to_go_on(clip: Generation, models: Sequence[Model]) -> Prefill:
    """The form that continues ``clip``: with its model where that still can, else with the first that can."""
    able = [model for model in models if model.current is not None and GOES_ON in model.current.modes]
    old = clip.version.model
    model = chosen_of(able, old.slug)
    if model is None:
        return Prefill({"prompt": clip.prompt}, [_("No model here can extend a clip right now.")])
    values = {"prompt": clip.prompt, "video": str(clip.id), "model": model.slug, "way": GOES_ON}
    return Prefill(values, [] if model == old else [_instead(old, model, models)])


def to_make_again(clip: Generation, models: Sequence[Model], caller: Caller) -> Prefill:
    """The form that would make ``clip`` once more, for changing one thing of it."""
    values: dict[str, Any] = {"prompt": clip.prompt, "negative_prompt": clip.negative_prompt}
    old = clip.version.model
    model = chosen_of(models, old.slug)
    if model is None or model != old:
        return Prefill(values, [_instead(old, model, models)] if model is not None else [])
    values |= {
        "model": old.slug,
        "size": f"{clip.delivered_width}x{clip.delivered_height}",
        "seconds": round(clip.seconds, 3),
        "preset": clip.preset,
        "way": clip.mode,
        "seed": clip.seed,
    }
    values |= _own_steps(model, clip.preset, clip.steps)
    lost = dict(clip.inputs)
    if (source := _own_clip(lost.get("video", ""), caller)) is not None:
        values["video"] = str(source.id)
        del lost["video"]
    return Prefill(
        values,
        [str(_ADD_AGAIN[role]) for role in lost if role in _ADD_AGAIN],
    )


def to_vary(again: Prefill, *, times: int) -> Prefill:
    """The form of ``to_make_again`` for so many clips, each with a seed of its own."""
    values = {name: value for name, value in again.values.items() if name != "seed"}
    return Prefill(values | {"times": str(times)}, again.notices)


def to_remix(shared: SharedClip, models: Sequence[Model]) -> Prefill:
    """The form that would make a clip like a shared one. Another seed makes another clip."""
    values: dict[str, Any] = {"prompt": shared.prompt} if shared.prompt else {}
    model = chosen_of(models, shared.model_slug)
    if model is None or model.slug != shared.model_slug:
        return Prefill(
            values, [_("%(model)s is not offered any more. Choose another model.") % {"model": shared.model_name}]
        )
    values |= {
        "model": model.slug,
        "size": shared.asked_size,
        "seconds": shared.asked_seconds,
        "preset": shared.preset,
        "way": shared.mode,
    }
    return Prefill(
        values, [_("The files that this clip began with are not shared.")] if shared.begins_with_files else []
    )


def to_run_again(recipe: Recipe, models: Sequence[Model]) -> Prefill:
    """The form that makes a recipe's clip, and what of the recipe it cannot say."""
    values: dict[str, Any] = {"prompt": recipe.prompt, "negative_prompt": recipe.negative_prompt}
    model = chosen_of(models, recipe.model)
    if model is None or model.slug != recipe.model:
        return Prefill(
            values,
            [
                _("The recipe's model, %(model)s, is not offered here. Choose another one.")
                % {"model": recipe.model[:60]}
            ],
        )
    said = {"size": recipe.size, "seconds": recipe.seconds, "preset": recipe.preset, "way": recipe.mode}
    values |= {"model": model.slug, "seed": recipe.seed} | {name: value for name, value in said.items() if value}
    notices = [
        _("%(file)s has to be chosen again.") % {"file": title_of(ROLES[role].title)}
        for role in recipe.begins_with
        if role in ROLES
    ]
    version = model.current
    if version is not None and recipe.model_version and version.number != recipe.model_version:
        notices.append(_("%(model)s was changed since: the clip may come out otherwise.") % {"model": model.name})
    return Prefill(values | _own_steps(model, recipe.preset, recipe.steps), notices)


def _own_steps(model: Model, preset: str, steps: int) -> dict[str, int]:
    """The form's field for ``steps``, where they are not those of the preset that will be chosen."""
    version = model.current
    usual = version.presets.get(preset, {}).get("steps") if version is not None else None
    return {"steps": steps} if steps and usual and steps != usual else {}


def _instead(old: Model, new: Model, models: Sequence[Model]) -> str:
    words = (
        _("%(old)s can no longer extend clips, so we've picked %(new)s.")
        if old in models
        else _("%(old)s is no longer offered, so we've picked %(new)s.")
    )
    return words % {"old": old.name, "new": new.name}


def _own_clip(key: str, caller: Caller) -> Generation | None:
    """The caller's clip that is stored under ``key``, if it is still kept."""
    made_by = files.generation_of(key) if key else None
    return Generation.objects.seen_by(caller).kept().filter(id=made_by).first() if made_by is not None else None
