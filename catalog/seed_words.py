"""What the models of ``seed.yaml`` say of themselves, so that it is translated while staff leaves it as it came.

A row's own words are looked up among the translations when a page shows them; words of staff's are shown as they are.
"""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext, gettext_noop

SUMMARIES: Final = (
    gettext_noop(
        "A small demo model that draws moving shapes, so you can try everything without a GPU. "
        "It knows four shapes, nine colours, nine motions and five backgrounds, and nothing else."
    ),
    gettext_noop(
        "The quickest of the open models. Good for trying ideas, first and last frames, and going on from a clip."
    ),
    gettext_noop("Sharper than the 2B in eight steps, and up to a minute long."),
    gettext_noop("Video with its own sound, up to 20 seconds."),
    gettext_noop("LTX-2 in eight steps: video and sound for a quarter of the price."),
    gettext_noop("Speech or music that you send, and a video made to it; a first picture may say who is heard."),
    gettext_noop("Video with sound at 48 kHz, better motion than LTX-2."),
    gettext_noop("LTX-2.3 in eight steps."),
    gettext_noop("The newest LTX: video and sound in eight steps."),
    gettext_noop("Small and sound: good motion on a small card."),
    gettext_noop("Rich detail and motion from text."),
    gettext_noop("The 14B at a tenth of the price, with a little less motion."),
    gettext_noop("Brings a picture to life."),
    gettext_noop("Brings a picture to life, in 720p."),
    gettext_noop("Moves from one picture to another."),
    gettext_noop("Steers a clip by pose, depth, mask or reference pictures, on a small card."),
    gettext_noop("Steers a clip by pose, depth, mask or reference pictures, in full quality."),
    gettext_noop("720p from text or a picture on one 24 GB card: the best all-rounder."),
    gettext_noop("Two experts, one for the motion and one for the detail: the finest picture here."),
    gettext_noop("Brings a picture to life with two experts."),
    gettext_noop("The two experts in four steps: quick, with a little less motion."),
    gettext_noop("Cinematic pictures from text."),
    gettext_noop("Brings a picture to life, the cinematic way."),
    gettext_noop("Cinematic pictures at a third of the size."),
    gettext_noop("HunyuanVideo 1.5 in 720p."),
    gettext_noop("Brings a picture to life, at a third of the size."),
    gettext_noop("A minute of video from one picture, on a small card."),
    gettext_noop("An early open model, small and permissive."),
    gettext_noop("More detail than the 2B."),
    gettext_noop("Larger and smoother than the first CogVideoX."),
    gettext_noop("Lets a figure follow the pose of another video."),
    gettext_noop("Long clips, up to a minute, that go on from what came before."),
    gettext_noop("Long clips in a few steps: the quickest way to a minute."),
    gettext_noop("Between Helios and its distilled version, in time and in detail."),
    gettext_noop("Up to a minute in one go, each stretch held by the end of the last."),
    gettext_noop("As the 1.3B, with much more detail."),
    gettext_noop("Google's own video model, with sound. Made by Google, not here."),
    gettext_noop("The quicker and cheaper half of Veo 3.1, with sound. Made by Google, not here."),
    gettext_noop("Kuaishou's video model. Made by Kling, not here."),
    gettext_noop("Lightricks' newest model on its makers' own machines, with sound."),
    gettext_noop("A server with OpenAI's Videos API, such as vLLM-Omni, SGLang-Diffusion or another LoreMotion."),
)
PRESETS: Final = (
    gettext_noop("Draft"),
    gettext_noop("Final"),
    gettext_noop("Standard"),
)
"""Names of their qualities, as a page says them."""


def preset(name: str) -> str:
    """The name of a quality as a row has it, in the language in use; staff's own as it is."""
    title = name.capitalize()
    return gettext(title) if title in PRESETS else name
