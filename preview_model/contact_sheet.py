"""A picture of what the model makes of sixteen prompts: one row each, six moments of the clip, its number its
seed, nothing selected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from diffusers import CogVideoXPipeline
from PIL import Image, ImageDraw

from preview_model.evaluation import render
from preview_model.recipe import NUM_FRAMES

PROMPTS = (
    "a red circle moving right on a black background",
    "a red circle moving right on a black background",
    "two blue squares bouncing on a white background",
    "a green triangle spinning on a grey background",
    "a yellow star falling down on a dark blue background",
    "a blue star and an orange square moving left on a white background",
    "an orange ball growing on a navy background",
    "two pink circles moving up on a grey background",
    "a cyan star getting smaller on a black background",
    "a white triangle next to a red star reporter still on a dark blue background",
    "two yellow stars spinning on a black background",
    "a blue disc jumping up and down on a light blue background",
    "a green box and a pink disc becoming bigger on a white background",
    "two orange triangles sliding right on a grey background",
    "a purple square moving to the left on a light blue background",
    "a white ball and a cyan triangle dropping on a black background",
)
MOMENTS = tuple(round(moment) for moment in np.linspace(0, NUM_FRAMES - 1, 6))
ENLARGEMENT = 2
GAP = 4
CAPTION_HEIGHT = 16
PAPER = (46, 48, 54)
INK = (235, 235, 235)


def draw_contact_sheet(pipeline: CogVideoXPipeline, target: Path) -> None:
    """Write the sheet to ``target`` as PNG, two columns of clips."""
    clips = render(pipeline, PROMPTS, range(len(PROMPTS)))
    edge = clips.shape[3] * ENLARGEMENT
    row_height = edge + CAPTION_HEIGHT + GAP
    column_width = len(MOMENTS) * (edge + GAP) + 2 * GAP
    rows = (len(PROMPTS) + 1) // 2
    sheet = Image.new("RGB", (2 * column_width, rows * row_height + GAP), PAPER)
    pen = ImageDraw.Draw(sheet)
    for index, (prompt, clip) in enumerate(zip(PROMPTS, clips, strict=True)):
        left, top = (index % 2) * column_width + GAP, (index // 2) * row_height + GAP
        pen.text((left, top), prompt, fill=INK)
        for place, moment in enumerate(MOMENTS):
            frame = Image.fromarray(clip[moment]).resize((edge, edge), Image.Resampling.NEAREST)
            sheet.paste(frame, (left + place * (edge + GAP), top + CAPTION_HEIGHT))
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(target, optimize=True)
