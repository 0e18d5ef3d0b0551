"""Lets a value be chosen for a field of a form: from a list, and for a path by walking through folders too."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tinv_tui.app.offer import Offer
from tinv_tui.app.path_completion import TAKES
from tinv_tui.app.screens.pick import PickScreen
from tinv_tui.app.screens.pick_path import PickPathScreen

if TYPE_CHECKING:
    from tinv_tui.app.widgets.form import Form


async def let_choose(form: Form[Any], key: str) -> None:
    """Show what there is to choose for a field, as the form stands now; the form hears of what is chosen."""

    def read() -> list[Offer]:
        from tinv_tui.app.choices import offers_for  # numpy, which a form does not wait for

        return offers_for(key, texts)

    def take(value: str | None) -> None:
        if value is not None:
            form.take_offer(key, value)

    texts = form.texts
    offers = await asyncio.to_thread(read)
    title = f"{form.fields[key].name}: choose, or type it in the field"
    if key in TAKES:
        form.app.push_screen(PickPathScreen(title, offers, read, TAKES[key], texts[key]), take)
    elif offers:
        form.app.push_screen(PickScreen(title, offers, read), take)
    else:
        said = f"{form.fields[key].name}: there is nothing to choose from yet; type it in the field"
        form.app.notify(said, markup=False)
