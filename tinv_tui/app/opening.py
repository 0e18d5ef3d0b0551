"""Opens the app: what it shows first, and as quickly as it can."""

from __future__ import annotations

import gc
import os
import re
import sys
from typing import TYPE_CHECKING

from tinv_tui.allocator import share_between_threads
from tinv_tui.paths import embeddings_folder
from tinv_tui.printable import printable

if TYPE_CHECKING:
    from tinv_tui.app.graphics import Pictures
    from tinv_tui.recipe import Recipe
    from tinv_tui.runs.folder import RunFolder
    from tinv_tui.sections import EmbeddingSection

_COLLECTED_AFTER = 5_000
"""More objects than the usual 700: each collection stops the app, and it makes thousands for each screen it draws."""


def run_app(
    *,
    recipe: Recipe | None = None,
    run: RunFolder | None = None,
    start: bool = False,
    slow_link: bool = False,
    pictures: Pictures | None = None,
) -> None:
    """Open the app, and come back when it is left.

    ``recipe`` fills in the form (its paths absolute, or relative to the working directory), ``start`` starts it at once,
    ``run`` shows that run. With neither, the form says what the newest run did, and the newest live run is shown.
    ``slow_link`` looks less often, draws pictures when asked only, and leaves the mouse alone, of which each move is sent.
    ``pictures`` says what pictures are drawn as, instead of the settings.
    """
    # What importing makes stays for good: looking through it for garbage takes a tenth of the time to the first frame.
    gc.disable()
    share_between_threads()
    from tinv_tui.app.app import TinvApp
    from tinv_tui.app.thrift import make_strips_small
    from tinv_tui.app.vocabulary import AskedVocabulary
    from tinv_tui.models.tokenizer import take_vocabularies_from

    make_strips_small()
    gc.freeze()
    gc.set_threshold(_COLLECTED_AFTER, 20, 50)
    gc.enable()
    take_vocabularies_from(AskedVocabulary)
    app = TinvApp(recipe, run, start=start, slow_link=slow_link, pictures=pictures)
    app.run(mouse=not slow_link)
    now = app.control.now
    if now is not None and now.is_live and has_terminal():  # printing into a terminal that is gone would be an error
        print(printable(now.how_to_come_back))


def has_terminal() -> bool:
    """Whether there is still a terminal to write to."""
    try:
        os.get_terminal_size(sys.__stdin__.fileno() if sys.__stdin__ else 0)
    except (OSError, ValueError):
        return False
    return True


def first_shown(recipe: Recipe | None, run: RunFolder | None, *, start: bool) -> tuple[Recipe, RunFolder | None]:
    """What to open with: what was given, else the newest run's recipe and the newest live run."""
    from tinv_tui.errors import InputError
    from tinv_tui.recipe import Recipe
    from tinv_tui.runs.folder import all_runs
    from tinv_tui.runs.left_open import recipe_as_asked
    from tinv_tui.runs.liveness import LIVE_STATES, state_of

    if recipe is None:
        runs = [run] if run is not None else all_runs()
        if run is None:
            run = next((r for r in runs if state_of(r)[0] in LIVE_STATES), None)
        try:
            recipe = recipe_as_asked(run or runs[0]) if run or runs else Recipe()
        except InputError:
            recipe = Recipe()
        if run is None or state_of(run)[0] not in LIVE_STATES:
            recipe = recipe.model_copy(update={"embedding": _with_the_name_asked_for(recipe.embedding)})
    return recipe, None if start else run


def _with_the_name_asked_for(section: EmbeddingSection) -> EmbeddingSection:
    """``my-cat`` for ``my-cat-2``, which a run was called because the first name was taken: the next may be ``-3``."""
    plain = re.sub(r"-\d+$", "", section.name)
    taken = plain != section.name and (embeddings_folder() / f"{plain}.safetensors").exists()
    return section.model_copy(update={"name": plain}) if taken else section
