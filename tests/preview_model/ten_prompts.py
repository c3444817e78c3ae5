"""Ten prompts that the shipped weights must follow: every shape, eight motions, all backgrounds, both counts."""

from preview_model.scene import Scene

TEN_PROMPTS: dict[str, Scene] = {
    "A red circle moving right on a black background": Scene("circle", "red", "right"),
    "two blue squares bouncing on a white background": Scene("square", "blue", "bouncing", "white", 2),
    "a yellow star falling down on a dark blue background": Scene("star", "yellow", "down", "dark blue"),
    "A green triangle, spinning, in front of a grey backdrop": Scene("triangle", "green", "spinning", "grey"),
    "an orange ball growing on a navy background": Scene("circle", "orange", "growing", "dark blue"),
    "a purple square moving to the left on a light blue background": Scene("square", "purple", "left", "light blue"),
    "two pink circles moving up on a grey background": Scene("circle", "pink", "up", "grey", 2),
    "a cyan star getting smaller on a black background": Scene("star", "cyan", "shrinking"),
    "A white triangle standing still on a dark blue background": Scene("triangle", "white", "still", "dark blue"),
    "show me two yellow stars moving left against a black wall please": Scene("star", "yellow", "left", "black", 2),
}
