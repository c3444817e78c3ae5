"""Models that other people's machines make clips with, reached by an API: facts only, no weights.

One family a provider, since each has lengths and sizes of its own. How a request becomes a call stands in
``gpu_worker.remote``, in the module that ``Family.provider`` names. A row's source is ``account/model``: an account of
the remote worker's file, and the provider's own name of the model.

Sources: the Videos API of OpenAI as vLLM-Omni documents it (docs.vllm.ai/projects/vllm-omni, serving/videos_api); Veo
3.1 makes 4, 6 or 8 s at 24 a second (ai.google.dev/gemini-api/docs/video); Kling 3 makes 3 to 15 s (kling.ai, API
reference); LTX 2.3 makes 6, 8 or 10 s at 25 a second (docs.ltx.video/models).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gpu_worker.contract import RenderJob
from gpu_worker.families.family import Family, FrameList, FrameRule, Mode

_ALL_READ = 100_000
"""Tokens: providers cut nothing off silently; what is too long they refuse, and characters are bounded by the row."""


def _arguments(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """None: no pipeline is called."""
    return {}


_TEXT = Mode(title="Text to video", pipeline="", arguments=_arguments)
_IMAGE = Mode(title="Image to video", pipeline="", needs=("image",), arguments=_arguments)
_PRESETS = MappingProxyType({"standard": MappingProxyType({"steps": 1})})


def _family(
    name: str, title: str, provider: str, frames: FrameRule | FrameList, *, fps: float, most: float, sounds: bool
) -> Family:
    return Family(
        name=name,
        title=title,
        provider=provider,
        modes={"text": _TEXT, "image": _IMAGE},
        size_multiple=8,
        sizes=("1280x720", "720x1280"),
        frames=frames,
        fps=fps,
        components=(),
        caches=(),
        has_audio=sounds,
        max_seconds=most,
        prompt_tokens=_ALL_READ,
        presets=_PRESETS,
    )


_EACH = (
    _family(
        "remote",
        "Remote (OpenAI's Videos API)",
        "openai",
        FrameRule(step=1, offset=0, least=1, most=1_800),
        fps=24,
        most=60.0,
        sounds=False,
    ),
    _family(
        "remote_veo", "Remote (Google Veo)", "veo", FrameList(counts=(96, 144, 192)), fps=24, most=8.0, sounds=True
    ),
    _family(
        "remote_kling",
        "Remote (Kling)",
        "kling",
        FrameRule(step=24, offset=0, least=72, most=360),
        fps=24,
        most=15.0,
        sounds=False,
    ),
    _family("remote_ltx", "Remote (LTX API)", "ltx", FrameList(counts=(150, 200, 250)), fps=25, most=10.0, sounds=True),
)
REMOTE_FAMILIES: Mapping[str, Family] = MappingProxyType({family.name: family for family in _EACH})
