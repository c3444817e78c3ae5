"""From what somebody asks for to what will be rendered, with every value checked against the model.

The pipelines round sizes and frame counts silently. Here they are settled before the price is quoted, so that what
is billed is what is made.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.models import ModelVersion
from catalog.prompt_length import PromptLength, is_blank, measure
from catalog.selection import find_model
from catalog.sizes import Size
from catalog.titles import title_of
from catalog.validation import SCHEDULES
from loremotion.refusals import Invalid

__all__ = ["MAX_SEED", "Ask", "ClipRequest", "Wording", "find_model", "resolve", "wordings"]

MAX_SEED = 2**32 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How one field of a request is written: the API's bodies and its contract are drawn from this."""

    description: str
    longest: int | None = None
    """Most characters, of words that are looked up."""
    least: int | None = None
    most: int | None = None
    also_called: tuple[str, ...] = ()
    """What other APIs call it, for whoever comes from one of them."""


def _field(default: Any = MISSING, /, **wording: Any) -> Any:
    return field(default=default, metadata={"wording": Wording(**wording)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a form or an API call said. None means: the model's default.

    This is the one declaration of what may be said; ``wordings`` reads it.
    """

    prompt: str = _field(description="What the clip shows.", also_called=("text", "prompt_text", "input"))
    model: str = _field("default", description="A model's name or an alias.", longest=60, also_called=("model_id",))
    mode: str | None = _field(None, description="How it is made; see the model's modes.", longest=20)
    negative_prompt: str = _field("", description="What should not be seen.")
    seconds: float | None = _field(
        None,
        description="Length. A number, or as text.",
        also_called=("duration", "duration_seconds", "length", "num_frames", "frames", "video_length"),
    )
    size: str | None = _field(
        None,
        description="One of the model's sizes.",
        longest=12,
        also_called=("resolution", "aspect_ratio", "ratio", "width", "height", "dimensions"),
    )
    preset: str | None = _field(None, description="One of the model's presets.", longest=40, also_called=("quality",))
    steps: int | None = _field(
        None, description="Denoising steps.", least=1, also_called=("num_inference_steps", "inference_steps")
    )
    seed: int | None = _field(None, description="The same seed and request give the same clip.", least=0, most=MAX_SEED)
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Role → storage key of an upload of the same workspace."""


def wordings() -> dict[str, tuple[Field[Any], Wording]]:
    """Every field of ``Ask`` that a caller may send, in order, with how it is written."""
    return {one.name: (one, one.metadata["wording"]) for one in fields(Ask) if "wording" in one.metadata}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRequest:
    """A checked request: exactly this will be rendered."""

    mode: str
    prompt: str
    negative_prompt: str
    seed: int
    width: int
    height: int
    num_frames: int
    fps: float
    steps: int
    preset: str
    call: Mapping[str, Any]
    inputs: Mapping[str, str]

    @property
    def seconds(self) -> float:
        return self.num_frames / self.fps


def resolve(ask: Ask, version: ModelVersion) -> ClipRequest:
    """Check ``ask`` against the model and fill in its defaults.

    Raises:
        Invalid: a value that the model cannot serve; names the field, the cause and what to ask for instead.
    """
    mode = _mode(ask, version)
    preset = _preset(ask.preset, version)
    size = _size(ask.size, version)
    num_frames = _frames(ask.seconds, version)
    return ClipRequest(
        mode=mode,
        prompt=_text("prompt", ask.prompt, version, preset, is_required=True),
        negative_prompt=_text("negative_prompt", ask.negative_prompt, version, preset, is_required=False),
        seed=_seed(ask.seed),
        width=size.width,
        height=size.height,
        num_frames=num_frames,
        fps=version.fps,
        steps=_steps(ask.steps, preset, version),
        preset=preset,
        call=version.preset_call(preset),
        inputs=_inputs(ask.inputs, mode, version),
    )


def _refuse(field_name: str, message: str, next_step: str, **figures: int | bool) -> Invalid:
    return Invalid(f"invalid_{field_name}", message, next_step=next_step, field=field_name, figures=figures)


def _text(field_name: str, text: str, version: ModelVersion, preset: str, *, is_required: bool) -> str:
    text = "" if is_blank(text) else text.strip()
    if is_required and not text:
        raise _refuse(field_name, _("The prompt is empty."), _("Describe what the clip should show."))
    if "\x00" in text:
        raise _refuse(field_name, _("The text has a NUL character in it."), _("Remove it and send again."))
    limit = version.max_prompt_characters
    if len(text) > limit:
        raise _refuse(
            field_name,
            _("That's %(count)s characters, and %(model)s takes at most %(limit)s.")
            % {"count": intcomma(len(text)), "model": version.model, "limit": intcomma(limit)},
            _("Shorten it by %(count)s.") % {"count": intcomma(len(text) - limit)},
            limit=limit,
            count=len(text),
        )
    length = measure(text, version, preset)
    if length.is_too_long:
        raise _refuse(
            field_name, *_words_of(length, version), limit=length.limit, count=length.tokens, is_exact=length.is_exact
        )
    return text


def _words_of(length: PromptLength, version: ModelVersion) -> tuple[str, str]:
    """Return the words for a text that is not read to its end: what is wrong, and what to do about it."""
    counted = {"count": intcomma(length.tokens), "model": version.model, "limit": intcomma(length.limit)}
    excess = length.tokens - length.limit
    if not length.is_exact:
        return (
            _("That may be %(count)s tokens, and %(model)s reads at most %(limit)s.") % counted,
            ngettext("Shorten it by %(excess)s letter.", "Shorten it by %(excess)s letters.", excess)
            % {"excess": intcomma(excess)},
        )
    return (
        _("That's %(count)s tokens (parts of words), and %(model)s reads at most %(limit)s.") % counted,
        _("Shorten it: “%(words)s” would be ignored.") % {"words": shorten(length.unread.strip())},
    )


def shorten(text: str, most: int = 80) -> str:
    """``text`` with its middle left out where it is longer than ``most`` characters."""
    return text if len(text) <= most else f"{text[: most // 2].rstrip()} … {text[-most // 2 :].lstrip()}"


def _mode(ask: Ask, version: ModelVersion) -> str:
    """The mode that was asked for, or the first one that takes exactly the files that came with the request."""
    if ask.mode is not None:
        if ask.mode not in version.modes:
            raise _refuse(
                "mode",
                _("%(model)s doesn't offer %(mode)s.") % {"model": version.model, "mode": repr(ask.mode[:40])},
                _("Choose one of: %(modes)s.") % {"modes": ", ".join(version.modes)},
            )
        return ask.mode
    given = set(ask.inputs)
    for name in version.modes:
        mode = version.family_facts.modes[name]
        if set(mode.needs) <= given <= {*mode.needs, *mode.accepts}:
            return name
    return version.modes[0]  # whose own check then says what is missing


def _preset(preset: str | None, version: ModelVersion) -> str:
    preset = preset or version.default_preset
    if preset not in version.presets:
        offered = ", ".join(version.preset_names)
        raise _refuse(
            "preset",
            _("%(model)s has no preset %(preset)s.") % {"model": version.model, "preset": repr(preset[:40])},
            _("Choose one of: %(offered)s.") % {"offered": offered},
        )
    return preset


def _size(size: str | None, version: ModelVersion) -> Size:
    """The size that was asked for: by that of the MP4, or that in which it is rendered, where the two differ."""
    by_name = {name: name for name in version.sizes} | dict(zip(version.delivered_sizes, version.sizes, strict=True))
    size = by_name.get(size, size) if size else version.sizes[0]
    if size not in version.sizes:
        offered = ", ".join(version.delivered_sizes)
        raise _refuse(
            "size",
            _("%(model)s doesn't make %(size)s.") % {"model": version.model, "size": repr(size[:20])},
            _("Choose one of: %(offered)s.") % {"offered": offered},
        )
    return Size.parse(size)


def _frames(seconds: float | None, version: ModelVersion) -> int:
    seconds = version.default_seconds if seconds is None else seconds
    if not version.min_seconds <= seconds <= version.max_seconds:  # also catches NaN
        least, most = (number_format(f"{bound:g}") for bound in (version.min_seconds, version.max_seconds))
        if least == most:
            words = _("%(model)s makes %(seconds)s-second clips only.") % {"model": version.model, "seconds": least}
            raise _refuse("seconds", words, _("Leave the length out."))
        raise _refuse(
            "seconds",
            _("%(model)s makes clips from %(min_seconds)s to %(max_seconds)s seconds long.")
            % {"model": version.model, "min_seconds": least, "max_seconds": most},
            _("Choose a length in that range."),
        )
    return version.family_facts.frames_for(seconds, version.fps)


def _steps(steps: int | None, preset: str, version: ModelVersion) -> int:
    own = int(version.presets[preset]["steps"])
    if steps is None or steps == own:
        return own
    if any(name in version.presets[preset] for name in SCHEDULES):
        raise _refuse(
            "steps",
            _("The preset %(preset)s is made for %(own)s steps.") % {"preset": preset, "own": own},
            _("Leave them out or choose another preset."),
        )
    if not 1 <= steps <= version.max_steps:
        raise _refuse(
            "steps",
            _("%(model)s can use 1 to %(max_steps)s steps.") % {"model": version.model, "max_steps": version.max_steps},
            _("Choose a number in that range."),
        )
    return steps


def random_seed() -> int:
    """A seed that nobody chose."""
    return secrets.randbelow(MAX_SEED + 1)


def _seed(seed: int | None) -> int:
    if seed is None:
        return random_seed()
    if not 0 <= seed <= MAX_SEED:
        raise _refuse(
            "seed",
            _("A seed is a whole number from 0 to %(most)s.") % {"most": intcomma(MAX_SEED)},
            _("Leave it out for a random one."),
        )
    return seed


def _inputs(inputs: Mapping[str, str], mode_name: str, version: ModelVersion) -> dict[str, str]:
    mode = version.family_facts.modes[mode_name]
    for role in mode.needs:
        if role not in inputs:
            raise _refuse(
                role,
                _("%(mode)s needs a file for %(role)s.") % {"mode": title_of(mode.title), "role": repr(role)},
                _("Add it and send again."),
            )
    for role in inputs:
        if role not in (*mode.needs, *mode.accepts):
            raise _refuse(
                role,
                _("%(mode)s doesn't use %(role)s.") % {"mode": title_of(mode.title), "role": repr(role)},
                _("Leave it out or choose another mode."),
            )
    return dict(inputs)
