"""The demo: a recipe for each of the picture sets that ship with the program."""

from __future__ import annotations

from tinv_tui.errors import InputError
from tinv_tui.models import bundled
from tinv_tui.recipe import Recipe, make_recipe

DEMO_STEPS = 400

_NEAREST = {"flower": "star"}
"""A shape is learned best from the nearest shape that has a word: started from "thing", half of the flowers stay bolts."""


def demo_recipe(steps: int, chosen: str | None) -> Recipe:
    """The demo's recipe for one of the bundled sets. Raises InputError for a set that is not there."""
    sets = bundled.picture_sets()
    name = chosen or next(iter(sets))
    if name not in sets:
        raise InputError("set-missing", f"there is no bundled set {name!r}", f"Sets: {', '.join(sets)}.")
    every = max(5, steps // 20)  # the first steps teach the most: the change should be seen
    is_look = name in bundled.LOOKS
    prompts = ["a photo of a [name]", "a photo of a [name] on a white background"]
    if is_look:
        prompts = ["a red star in the style of [name]", "a blue ring in the style of [name]"]
    return make_recipe(
        {
            "model": {"path": bundled.NAME},
            "embedding": {"name": name, "init_text": "style" if is_look else _NEAREST.get(name, "thing")},
            "dataset": {"path": str(sets[name]), "template": "style" if is_look else "subject"},
            "training": {"steps": steps, "batch_size": 4, "seed": 1},
            "saving": {"embedding_every": 5 * every, "image_every": every},
            "preview": {"cfg": 3.0, "prompts": prompts},
        },
        "demo",
    )
