"""How the app looks where the user or the terminal wants it otherwise: themes, no colours, ASCII; and the user's keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui.support import NARROW, WIDE, past_run, ready, recipe, screen_text, until
from tinv_tui import settings
from tinv_tui.app.app import TinvApp
from tinv_tui.app.gallery import Gallery
from tinv_tui.app.glyphs import in_ascii, needs_ascii
from tinv_tui.app.keymap import checked_keys
from tinv_tui.app.keys import foot_keys
from tinv_tui.app.screens.compare import CompareScreen
from tinv_tui.app.screens.help import HelpScreen
from tinv_tui.app.screens.previews import PreviewsScreen
from tinv_tui.errors import InputError
from tinv_tui.runs.history import Preview


def have_settings(text: str) -> None:
    settings.settings_file().parent.mkdir(exist_ok=True)
    settings.settings_file().write_text(text)


# ----- colours


@pytest.mark.parametrize("theme", ["textual-light", "ansi-dark", "ansi-light"])
async def test_a_light_theme_and_those_of_the_terminals_own_colours_can_be_drawn(theme: str) -> None:
    have_settings(f'[app]\ntheme = "{theme}"')
    async with TinvApp().run_test(size=NARROW) as pilot:
        assert pilot.app.theme == theme
        assert "Form" in screen_text(pilot.app)


async def test_a_theme_that_is_chosen_in_the_palette_is_there_the_next_time(pictures: Path) -> None:
    have_settings("# mine\n")
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        await ready(pilot)
        await pilot.press("escape", "T")
        await until(pilot, lambda: "nord" in screen_text(pilot.app))
        await pilot.press(*"ansi-light")
        await until(pilot, lambda: "nord" not in screen_text(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: settings.load_settings().app.theme == "ansi-light")
    assert "# mine" in settings.settings_file().read_text()
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        assert pilot.app.theme == "ansi-light"


async def test_the_palette_leads_to_a_field_of_the_form_from_any_screen(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        bench = await ready(pilot)
        await pilot.press("f5", "ctrl+p")
        await until(pilot, lambda: "app: " in screen_text(pilot.app))
        await pilot.press(*"quit")
        await until(pilot, lambda: "app: leave (q)" in screen_text(pilot.app))
        await pilot.press("ctrl+u", *"learning ra")
        await until(pilot, lambda: "field: Rate (training.learning_rate)" in screen_text(pilot.app))
        assert "field: Steps" not in screen_text(pilot.app)
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.screen is bench)
        await until(pilot, lambda: bench.focused is bench.form.control("training.learning_rate"))
        assert "[ Form ]" in screen_text(pilot.app)


async def test_without_colours_all_is_told_in_words_and_marks(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    run = past_run(recipe(pictures), tmp_path / "home", state="failed", reason="the loss is not finite")
    async with TinvApp(run=run).run_test(size=WIDE) as pilot:
        bench = await ready(pilot)
        await until(pilot, lambda: "zork ✖ failed" in screen_text(pilot.app))
        strips = [
            strip for widget in (bench.loss.text, bench.form_pane) for strip in widget.render_lines(widget.region)
        ]
        colours = {c.triplet for strip in strips for s in strip if s.style for c in (s.style.color,) if c and c.triplet}
        assert all(len({*triplet}) == 1 for triplet in colours), "greys alone are left"
        assert "✔ caption" in screen_text(pilot.app)
        assert "– no caption" in screen_text(pilot.app)


@pytest.mark.parametrize("theme", ["ansi-dark", "ansi-light"])
async def test_without_colours_what_is_the_terminals_own_stays_so(
    theme: str, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    have_settings(f'[app]\ntheme = "{theme}"')
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        bench = await ready(pilot)
        await until(pilot, lambda: bench.focused is not None)
        await pilot.pause()
        strips = pilot.app.screen._compositor.render_strips()
        styles = [s.style for strip in strips for s in strip if s.text.strip() and s.style is not None]
        assert {c.is_default for style in styles for c in (style.color, style.bgcolor) if c} == {True}
        assert any(style.reverse for style in styles), "what has the focus"


# ----- glyphs


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_ascii_is_all_there_is_also_of_pictures_and_names(
    size: tuple[int, int], pictures: Path, tmp_path: Path
) -> None:
    have_settings('[app]\nglyphs = "ascii"')
    (pictures / "001.png").rename(pictures / "größe猫.png")
    run = past_run(recipe(pictures), tmp_path / "home")
    async with TinvApp(run=run).run_test(size=size) as pilot:
        bench = await ready(pilot)
        for tab in ("form", "dataset", "loss", "gpu", "log"):
            bench.open_tab(tab)
            if tab == "dataset":
                await until(pilot, lambda: bench.dataset.picture.is_drawn)
            await pilot.pause()
            text = screen_text(pilot.app)
            assert text.isascii(), text
            assert {len(line) for line in text.splitlines()} == {size[0]}
        await pilot.press("ctrl+p")
        await pilot.pause(0.2)
        assert screen_text(pilot.app).isascii()


def test_each_glyph_becomes_as_many_columns_as_it_had() -> None:
    assert in_ascii("╭─╮ ● running 62% ━━╸── 猫é⣿⠁") == "+-+ * running 62% ===-- ??e#."
    assert in_ascii("…/cat resume… 64² 🔎Search…    ") == "</cat resume. 64  > Search...  "


@pytest.mark.parametrize(
    ("environment", "is_ascii"),
    [
        ({}, False),
        ({"LANG": "en_GB.UTF-8"}, False),
        ({"LANG": "de_DE.utf8@euro"}, False),
        ({"LANG": "de_DE.ISO-8859-1"}, True),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "C"}, True),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, False),
        ({"LC_ALL": "", "LANG": "POSIX"}, True),
    ],
)
def test_the_locale_says_whether_a_terminal_takes_more_than_ascii(environment: dict[str, str], is_ascii: bool) -> None:
    assert needs_ascii(environment) == is_ascii


# ----- keys


async def test_the_users_keys_work_and_are_the_ones_that_are_shown(pictures: Path) -> None:
    have_settings('[keys]\nrun.start = "f10"\n"app.help" = "H,f1"\n"app.runs" = "R"')
    async with TinvApp(recipe(pictures)).run_test(size=WIDE) as pilot:
        bench = await ready(pilot)
        assert ("f10", "start") in foot_keys("train", typing=True, live=False, paused=False)
        await until(pilot, lambda: "f10 start" in screen_text(pilot.app), seconds=10)
        bench.loss.focus()
        await pilot.press("4")
        assert pilot.app.screen is bench, "the key it had before is free"
        await pilot.press("H")
        await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        await pilot.press("pagedown")  # past the words on the pane
        await until(pilot, lambda: "f10" in screen_text(pilot.app) and "run.start" in screen_text(pilot.app))
        await pilot.press("escape", "R")
        await until(pilot, lambda: pilot.app.screen.id == "runs")


async def test_the_users_keys_work_and_are_shown_in_dialogs(pictures: Path) -> None:
    have_settings('[keys]\ncompare.scale = "g"\npreviews.close = "escape,b"\npreview.mark = "f10"\n"list.down" = "N"')
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        bench = await ready(pilot)
        compare = CompareScreen([])
        pilot.app.push_screen(compare)
        await until(pilot, lambda: "g log scale" in screen_text(pilot.app))
        await pilot.press("l")
        assert not compare._log, "the key it had before is free"
        await pilot.press("g")
        assert compare._log
        await pilot.press("q")
        await until(pilot, lambda: pilot.app.screen is bench)
        drawn = tuple(Preview(step, pictures / f"00{step}.png", "a zork", 1) for step in (1, 2))
        previews = PreviewsScreen(Gallery(drawn), lambda: drawn)
        pilot.app.push_screen(previews)
        await until(pilot, lambda: "f10 mark A" in screen_text(pilot.app) and "esc back" in screen_text(pilot.app))
        await pilot.press("f10")
        assert previews.gallery.marked is not None
        await pilot.press("b")
        await until(pilot, lambda: pilot.app.screen is bench)


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ({"run.strat": "f10"}, "there is no run.strat. Did you mean run.start?"),
        ({"run.stop": "p"}, "p is both run.pause and run.stop on the Train screen"),
        ({"run.start": "x"}, "x alone would start something"),
        ({"run.stop": "tab"}, "tab is needed elsewhere"),
        ({"run.stop": "x,"}, "a key is missing"),
        ({"run.stop": "esc"}, "esc is needed elsewhere"),
        ({"compare.skale": "f10"}, "there is no compare.skale. Did you mean compare.scale?"),
        ({"compare.scale": "e"}, "e is both compare.curve and compare.scale in Compare"),
        ({"words.turn": "j"}, "j is both words.turn and list.down in Words of the captions"),
        ({"previews.earlier": "a"}, "a is both"),
        ({"caption.keep": "x"}, "x is text where this key works"),
        ({"fetch.fetch": "space"}, "space alone would start something"),
    ],
)
def test_an_unknown_id_a_clash_and_an_unfit_key_are_told(own: dict[str, str], says: str) -> None:
    with pytest.raises(InputError) as error:
        checked_keys(own)
    assert says in f"{error.value.message}. {error.value.hint}"


def test_the_keys_of_the_table_clash_nowhere() -> None:
    assert checked_keys({}) == {}


def test_two_keys_may_be_exchanged() -> None:
    assert (
        checked_keys({"run.stop": "p", "run.pause": "s, question_mark", "app.help": "f1"})["run.pause"]
        == "s,question_mark"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[keys]\nrun.start = "s"', "s alone would start something"),
        ('[app]\ntheme = "pink"', "there is no theme pink"),
        ('[app]\nglyphs = "pink"', "auto, unicode or ascii"),
        ('[app]\npictures = "pink"', "half-cells, sixel or kitty"),
    ],
)
async def test_what_is_wrong_in_the_settings_is_said_over_any_screen_and_the_app_is_there(
    text: str, says: str, pictures: Path
) -> None:
    have_settings(text)
    async with TinvApp(recipe(pictures)).run_test(size=NARROW, notifications=True) as pilot:
        await ready(pilot)
        await until(pilot, lambda: bool(pilot.app.screen.query("Toast")), seconds=10)
        assert any(says in note.text for note in pilot.app.control.notes)  # type: ignore[attr-defined]
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen), seconds=5)
        await until(pilot, lambda: not pilot.app.screen.query("Toast"), seconds=5)


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_what_is_said_over_the_screen_is_there_to_its_last_word_and_no_taller_than_it_is(
    size: tuple[int, int], pictures: Path
) -> None:
    """Also where it only just takes a second line."""
    async with TinvApp(recipe(pictures)).run_test(size=size, notifications=True) as pilot:
        await ready(pilot)
        for length in (20, *range(63, 78)):
            pilot.app.clear_notifications()
            await until(pilot, lambda: not pilot.app.screen.query("Toast"))
            pilot.app.notify(("word " * 20)[: length - 4] + " END", timeout=60)
            await until(pilot, lambda: "END" in screen_text(pilot.app), seconds=5)
            assert pilot.app.screen.query("Toast").first().region.height == (1 if length <= 69 else 2)
