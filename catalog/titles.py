"""What people call the modes of models, and what a clip may start from, in the language in use.

The families themselves are read by GPU hosts, which know one language.
"""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext, gettext_noop

TITLES: Final = frozenset(
    {
        gettext_noop("Text to video"),
        gettext_noop("Image to video"),
        gettext_noop("Video to video"),
        gettext_noop("Sound to video"),
        gettext_noop("First and last frame"),
        gettext_noop("Continue a clip"),
        gettext_noop("Pose or line control"),
        gettext_noop("Pose, depth or line control"),
        gettext_noop("Reference pictures"),
        gettext_noop("Replace part of a clip"),
        gettext_noop("Start frame"),
        gettext_noop("End frame"),
        gettext_noop("Source video"),
        gettext_noop("Mask (white = replace)"),
        gettext_noop("Motion reference (pose, depth or edges)"),
        gettext_noop("Reference image"),
        gettext_noop("Reference image 2"),
        gettext_noop("Reference image 3"),
        gettext_noop("Sound"),
    }
)
"""Those of ``gpu_worker.families``."""


def title_of(named: str) -> str:
    """The title of a mode or role, as its family has it, in the language in use."""
    return gettext(named)
