"""How people say what the preview model knows: the words for each attribute, and the sentences around them.

These are the wordings of training. Articles, pronouns, greetings and adjectives are left out on purpose: the tokenizer
drops every word that no caption uses, so whatever else a prompt says does no harm.
"""

from __future__ import annotations

SHAPE_WORDS: dict[str, tuple[str, ...]] = {
    "circle": ("circle", "ball", "disc", "disk", "dot", "sphere", "orb", "round shape", "bubble", "coin"),
    "square": ("square", "box", "block", "cube", "tile", "square shape", "brick"),
    "triangle": ("triangle", "pyramid", "triangular shape", "triangle shape", "cone"),
    "star": ("star", "starfish", "star shape", "pointed star"),
}
PLURALS = {
    "circle": "circles", "ball": "balls", "disc": "discs", "disk": "disks", "dot": "dots", "sphere": "spheres",
    "orb": "orbs", "bubble": "bubbles", "coin": "coins", "square": "squares", "box": "boxes", "block": "blocks",
    "cube": "cubes", "tile": "tiles", "brick": "bricks", "triangle": "triangles", "pyramid": "pyramids",
    "cone": "cones", "star": "stars", "starfish": "starfishes", "shape": "shapes",
    "object": "objects", "thing": "things", "figure": "figures",
}  # fmt: skip

COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("red", "crimson", "scarlet", "ruby"),
    "green": ("green", "emerald", "lime"),
    "blue": ("blue", "cobalt", "royal blue", "sapphire"),
    "yellow": ("yellow", "golden", "gold", "lemon"),
    "orange": ("orange", "tangerine", "amber"),
    "purple": ("purple", "violet", "lilac"),
    "cyan": ("cyan", "turquoise", "aqua", "teal"),
    "pink": ("pink", "magenta", "rose"),
    "white": ("white", "snow white", "ivory"),
}
BACKGROUND_WORDS: dict[str, tuple[str, ...]] = {
    "black": ("black", "dark", "pitch black", "jet black"),
    "white": ("white", "snow white", "bright white"),
    "grey": ("grey", "gray", "light grey", "dark gray", "silver"),
    "dark blue": ("dark blue", "navy", "navy blue", "midnight blue", "deep blue"),
    "light blue": ("light blue", "sky blue", "pale blue", "sky", "blue", "baby blue"),
}

PLAIN = "plain"
"""Said of every background alike: said of white alone, it came to mean white."""

COUNT_WORDS: dict[int, tuple[str, ...]] = {
    1: ("", "", "", "", "", "one", "single", "1"),
    2: ("two", "two", "2", "pair of", "couple of", "twin", "both"),
}

# Finite and non-finite forms are made from a verb by ``captions.conjugate``.
MOTION_WORDS: dict[str, tuple[str, ...]] = {
    "right": (
        "move right", "move to right", "slide right", "go right", "go to right", "fly to right", "travel right",
        "be travelling right", "move from left to right", "go from left to right", "slide from left to right",
        "drift right", "move rightwards", "glide rightward", "cross from left to right", "travel to right side",
        "be travelling to right", "head right", "run to right", "roll to right", "move towards right",
        "fly from left to right",
    ),
    "left": (
        "move left", "move to left", "slide left", "go left", "go to left", "fly to left", "travel left",
        "be travelling left", "move from right to left", "go from right to left", "slide from right to left",
        "drift left", "move leftwards", "glide leftward", "cross from right to left", "travel to left side",
        "be travelling to left", "head left", "run to left", "roll to left", "move towards left",
        "fly from right to left",
    ),
    "up": (
        "move up", "rise", "go up", "move upwards", "go upward", "fly up", "float up", "float upwards", "move to top",
        "climb", "ascend", "rise up", "lift off", "move from bottom to top", "go up to top", "slide up",
        "drift upward", "fly from bottom to top", "travel up", "soar", "head up", "rise to top",
    ),
    "down": (
        "move down", "fall", "fall down", "go down", "move downwards", "go downward", "drop", "drop down", "sink",
        "move to bottom", "descend", "move from top to bottom", "fall to bottom", "slide down", "drift downward",
        "fly down", "fall from top", "travel down", "head down", "sink to bottom", "float down", "float downwards",
        "go from top to bottom",
    ),
    "bouncing": (
        "bounce", "bounce up and down", "jump", "hop", "jump up and down", "hop up and down", "move up and down",
        "bounce on ground", "go up and down", "bounce around", "jump around", "leap", "bob up and down",
        "keep bouncing", "bounce again and again",
    ),
    "spinning": (
        "spin", "rotate", "turn", "turn around", "spin around", "rotate around", "twirl", "whirl", "spin in place",
        "rotate on spot", "turn in circles", "spin in circles", "revolve", "keep spinning", "keep rotating",
    ),
    "growing": (
        "grow", "get bigger", "get larger", "expand", "become bigger", "become larger", "grow bigger", "grow larger",
        "increase in size", "enlarge", "inflate", "swell", "scale up", "get bigger and bigger", "zoom in",
        "grow from small to big", "become larger and larger", "keep growing",
    ),
    "shrinking": (
        "shrink", "get smaller", "become smaller", "contract", "shrink down", "decrease in size", "get tiny",
        "grow smaller", "diminish", "deflate", "scale down", "get smaller and smaller", "become tiny", "zoom out",
        "shrink from big to small", "become smaller and smaller", "keep shrinking", "get less big",
    ),
    "still": (
        "stand still", "stay still", "sit still", "rest", "stay in place", "hold still", "remain still", "not move",
        "do nothing", "stay put", "hover in place", "stand", "stay", "be motionless", "be still", "wait",
        "remain in place", "sit in middle", "be static", "keep still",
    ),
}  # fmt: skip

ADVERBS = ("slowly", "quickly", "smoothly", "gently", "fast", "steadily")
SIZE_WORDS = ("big", "small", "large", "tiny", "little")
SHADES = ("bright", "dark", "light", "deep", "pale")
"""Adverbs, sizes and shades are said freely and without effect: the model knows one speed, size and shade."""

THINGS = ("object", "thing", "shape", "figure")
"""Said instead of a shape; the scene's default is meant."""

SURFACES = (
    "background",
    "background",
    "background",
    "background",
    "backdrop",
    "canvas",
    "screen",
    "scene",
    "wall",
    "sky",
)

SENTENCES = (
    "{subject} {motion} on {place}", "{subject} {motion} on {place}", "{subject} {motion} against {place}",
    "{subject} {motion} in front of {place}", "{subject} {motion} with {place}", "{subject} {motion} {place}",
    "{subject} {motion} over {place}", "{subject} on {place} {motion}", "{subject} with {place} {motion}",
    "{subject} {place} {motion}", "{motion} {subject} on {place}", "{motion} {subject} {place}",
    "{subject} {motion} across {place}", "{subject} in front of {place} {motion}", "{motion} {subject} against {place}",
    "on {place} {subject} {motion}", "against {place} {subject} {motion}", "in front of {place} {subject} {motion}",
    "{place} {subject} {motion}", "{place} {motion} {subject}", "{place} with {subject} {motion}",
    "with {place} {subject} {motion}", "over {place} {subject} {motion}", "{place} and {subject} {motion}",
    "{subject} {motion} and {place}", "{subject} on {place} and {motion}", "{motion} on {place} {subject}",
    "{subject} {motion} and {surface} is {background}", "{surface} is {background} and {subject} {motion}",
    "{subject} {motion} on {background}", "{subject} {motion} against {background}",
    "{subject} on {background} {motion}", "on {background} {subject} {motion}", "{subject} {motion} over {background}",
    "{motion} {subject} on {background}", "{subject} in {place} {motion}", "{subject} {motion} in {place}",
    "{subject} {motion} to {place}", "are {subject} {motion} {place}", "is {subject} on {place} and {motion}",
)  # fmt: skip
SENTENCES_WITHOUT_PLACE = (
    "{subject} {motion}",
    "{subject} {motion}",
    "{subject} {motion}",
    "{motion} {subject}",
    "is {subject} and {motion}",
)
NAMELESS_SENTENCES = (
    "{nameless} {motion} {colour} on {place}", "{nameless} {motion} in {colour} on {place}",
    "{nameless} {colour} {motion} {place}", "{place} {nameless} {motion} {colour}",
    "{colour} {motion} {nameless} on {place}",
)  # fmt: skip
NAMELESS_SENTENCES_WITHOUT_PLACE = (
    "{nameless} {motion} {colour}",
    "{nameless} {motion} in {colour}",
    "{colour} {motion} {nameless}",
)
"""Colour and object apart: for one object, or for two that are alike."""

SUBJECTS = (
    "{count} {colour} {shape}", "{count} {colour} {shape}", "{count} {colour} {shape}", "{count} {colour} {shape}",
    "{count} {shape} in {colour}", "{count} {shape} is {colour}", "{count} {shape} are {colour}",
    "{count} {shape} of {colour}",
)  # fmt: skip
PAIRS = (
    "{first} and {second}", "{first} and {second}", "{first} and {second}", "{first} and {second} together",
    "{first} with {second}", "{first} next to {second}", "{first} beside {second}", "{first} and {second} both",
    "both {first} and {second}", "two shapes {first} and {second}", "two objects {first} and {second}",
    "pair of {first} and {second}", "{first} along with {second}", "{first} {second}",
)  # fmt: skip
PAIRS_OF_ONE_SHAPE = (
    "{colour} and {other_colour} {shapes}", "two {shapes} one {colour} and one {other_colour}",
    "two {shapes} {colour} and {other_colour}", "{colour} {shape} and {other_colour} one",
    "one {colour} and one {other_colour} {shape}", "two {colour} and {other_colour} {shapes}",
)  # fmt: skip
PAIRS_OF_ONE_COLOUR = (
    "{colour} {shape} and {other_shape}", "two {colour} shapes {shape} and {other_shape}",
    "{shape} and {other_shape} both {colour}", "{shape} and {other_shape} in {colour}",
)  # fmt: skip
"""Ways to name two different objects, beside each other; the first is the left or the upper one."""

PLACES = (
    "{background} {surface}", "{background} {surface}", "{background} {surface}", "{background} {surface}",
    "{surface} {background}", "{surface} is {background}", "{surface} in {background}", "{surface} of {background}",
)  # fmt: skip
LINKING_WORDS = (
    "on", "in", "with", "and", "to", "from", "of", "is", "are", "front", "against", "over",
)  # fmt: skip
