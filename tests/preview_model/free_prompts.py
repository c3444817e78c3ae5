"""Prompts as people type them, and what they mean. None of the sentences is in the training wordings or in the exam."""

from preview_model.scene import Scene

FREE_PROMPTS: dict[str, Scene] = {
    "A red ball rolling to the right": Scene("circle", "red", "right"),
    "a bright red circle moving right": Scene("circle", "red", "right"),
    "two blue squares bouncing on white": Scene("square", "blue", "bouncing", "white", 2),
    "A yellow star spinning on a dark blue background": Scene("star", "yellow", "spinning", "dark blue"),
    "A YELLOW STAR, ROTATING, IN FRONT OF A NAVY BLUE SKY": Scene("star", "yellow", "spinning", "dark blue"),
    "green triangle": Scene("triangle", "green"),
    "a star": Scene("star"),
    "Two stars": Scene("star", count=2),
    "blue": Scene(colour="blue"),
    "a cube that grows": Scene("square", motion="growing"),
    "the purple square is slowly shrinking, black background": Scene("square", "purple", "shrinking"),
    "pink balls falling down, two of them, on a gray background": Scene("circle", "pink", "down", "grey", 2),
    "An orange triangle floating up into a light blue sky": Scene("triangle", "orange", "up", "light blue"),
    "on a white wall a cyan disc moves from right to left": Scene("circle", "cyan", "left", "white"),
    "a white star on a black background, becoming bigger": Scene("star", "white", "growing"),
    "a white square becoming smaller on a dark blue background": Scene("square", "white", "shrinking", "dark blue"),
    "the background is white and a red square is jumping": Scene("square", "red", "bouncing", "white"),
    "a cinematic 4k shot of a magnificent green star descending over a grey backdrop": Scene(
        "star", "green", "down", "grey"
    ),
    "make a video with one pink triangle sliding left. The background should be light blue": Scene(
        "triangle", "pink", "left", "light blue"
    ),
    "a pair of yellow triangles spins on a dark background": Scene("triangle", "yellow", "spinning", "black", 2),
    "two orange circles standing still on a grey background": Scene("circle", "orange", "still", "grey", 2),
    "a ball which gets smaller, blue, on white": Scene("circle", "blue", "shrinking", "white"),
    "a small green ball moving upwards": Scene("circle", "green", "up"),
    "a dark red block dropping to the ground": Scene("square", "red", "down"),
    "blue circle on a blue background going left": Scene("circle", "blue", "left", "light blue"),
    "purple triangle, pale blue background, moving from the top to the bottom": Scene(
        "triangle", "purple", "down", "light blue"
    ),
    "two red boxes that hop up and down in front of a navy background": Scene(
        "square", "red", "bouncing", "dark blue", 2
    ),
    "Show me a turquoise star that rises slowly against a white background please": Scene(
        "star", "cyan", "up", "white"
    ),
    "a golden coin spinning": Scene("circle", "yellow", "spinning"),
    "a violet cube, static, on a silver background": Scene("square", "purple", "still", "grey"),
    "grey background with two cyan triangles flying to the right": Scene("triangle", "cyan", "right", "grey", 2),
    "white background, red triangle, growing": Scene("triangle", "red", "growing", "white"),
    "a triangle in pink expands on black": Scene("triangle", "pink", "growing", "black"),
    "there are 2 green dots and they move down on a sky blue background": Scene(
        "circle", "green", "down", "light blue", 2
    ),
    "an orange shape moving up": Scene("circle", "orange", "up"),
    "something red": Scene(colour="red"),
    "a cat playing the piano": Scene(),
    "": Scene(),
}
