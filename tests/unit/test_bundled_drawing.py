"""The bundled model's small world: what is drawn, what it is called, and the pictures that ship."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tinv_tui.datasets.pictures import list_pictures
from tinv_tui.models import bundled
from tinv_tui.models.bundled.build import captions, drawing, measure, sets, words
from tinv_tui.models.bundled.build.vocabulary import BEGIN, END, Vocabulary, make_vocabulary


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return make_vocabulary()


def scene(seed: int = 0, **fixed: object) -> drawing.Scene:
    """One large red object in the middle of a white background, but for what is given."""
    given = {"shape": "circle", "hue": 0.0, "texture": "plain", "look": "normal", "background": "white"}
    more = {"size": "large", "position": "centre", "count": 1}
    return drawing.draw_scene_parameters(np.random.default_rng(seed), **given | more | fixed)


def picture(**fixed: object) -> NDArray[np.uint8]:
    return drawing.render(scene(**fixed))


@pytest.mark.parametrize("look", words.LOOKS)
def test_every_shape_and_texture_can_be_drawn_in_every_look(look: str) -> None:
    for shape, texture, count in product(words.SHAPES, words.TEXTURES, (1, 2)):
        drawn = picture(shape=shape, texture=texture, look=look, count=count)
        assert (drawn.shape, drawn.dtype) == ((64, 64, 3), np.uint8)
        assert drawn.std() > 3


def test_the_same_seed_draws_the_same_picture_and_another_seed_another() -> None:
    one, same, other = (drawing.draw_scene_parameters(np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert (one == same, one == other) == (True, False)
    assert np.array_equal(drawing.render(one), drawing.render(same))


def test_every_shape_differs_from_every_other() -> None:
    masks = {shape: drawing.object_mask(scene(shape=shape)) > 0.5 for shape in words.SHAPES}
    for a, b in product(masks, masks):
        if a < b:
            union, both = (masks[a] | masks[b]).sum(), (masks[a] & masks[b]).sum()
            assert both / union < 0.9, (a, b)


@pytest.mark.parametrize("name", ["texture", "look"])
def test_every_texture_and_look_differs_from_every_other(name: str) -> None:
    table = words.TEXTURES if name == "texture" else words.LOOKS
    drawn = {value: picture(**{name: value}).astype(int) for value in table}
    for a, b in product(drawn, drawn):
        if a < b:
            assert np.abs(drawn[a] - drawn[b]).mean() > 3, (a, b)


def test_an_object_covers_more_the_larger_it_is_said_to_be() -> None:
    small, medium, large = (drawing.object_mask(scene(size=size)).sum() for size in words.SIZES)
    assert 2 * small < 1.5 * medium < 1.5 * large


@pytest.mark.parametrize(
    ("position", "axis", "sign"), [("left", 1, -1), ("right", 1, 1), ("top", 0, -1), ("bottom", 0, 1)]
)
def test_an_object_lies_where_it_is_said_to_be(position: str, axis: int, sign: int) -> None:
    mask = drawing.object_mask(scene(position=position, size="small"))
    centre = (mask.sum(axis=1 - axis) * np.arange(64)).sum() / mask.sum()
    assert sign * (centre - 31.5) > 8


def test_two_objects_are_two() -> None:
    columns = drawing.object_mask(scene(count=2)).max(axis=0) > 0.5
    assert int((np.diff(columns.astype(int)) == 1).sum()) == 2


def test_a_drawn_object_stands_out_from_its_background() -> None:
    for seed in range(200):
        drawn = drawing.draw_scene_parameters(np.random.default_rng(seed), look="normal")
        behind = np.array(words.BACKGROUNDS[drawn.background][0]) / 255
        assert np.linalg.norm(behind - np.array(drawn.colour)) > 0.42


@pytest.mark.parametrize("name", words.HUES)
def test_a_hue_is_measured_as_it_was_drawn(name: str) -> None:
    hue = words.HUES[name][0]
    measured = measure.object_hue(picture(hue=hue))
    assert measured is not None
    assert measure.hue_distance(measured, hue) < 2


def test_a_picture_without_a_coloured_object_has_no_hue() -> None:
    assert measure.object_hue(np.full((64, 64, 3), 200, dtype=np.uint8)) is None
    assert measure.object_hue(np.zeros((64, 64, 3), dtype=np.uint8)) is None


@pytest.mark.parametrize(("a", "b", "distance"), [(0, 350, 10), (350, 0, 10), (90, 270, 180), (5, 5, 0), (1, 359, 2)])
def test_hues_are_compared_around_the_circle(a: float, b: float, distance: float) -> None:
    assert measure.hue_distance(a, b) == distance


def test_a_picture_in_which_nothing_is_found_counts_as_a_guess() -> None:
    empty = np.zeros((64, 64, 3), dtype=np.uint8)
    assert measure.mean_hue_error([empty, picture(hue=86.0)], 86.0) == pytest.approx(45, abs=1)


def test_every_word_of_a_caption_is_one_token_and_struck_words_are_none(vocabulary: Vocabulary) -> None:
    shipped = json.loads((bundled.FOLDER / "tokenizer" / "vocab.json").read_text(encoding="utf-8"))
    for word in words.caption_words():
        assert (f"{word.lstrip('_')}</w>" in shipped) is not word.startswith("_"), word


def test_the_shipped_vocabulary_holds_the_tokens_that_these_words_make(vocabulary: Vocabulary) -> None:
    shipped = json.loads((bundled.FOLDER / "tokenizer" / "vocab.json").read_text(encoding="utf-8"))
    assert sorted(shipped) == sorted(vocabulary.tokens)
    assert [shipped[BEGIN], shipped[END]] == [vocabulary.begin, vocabulary.end]


def test_every_process_gives_a_word_the_same_row(vocabulary: Vocabulary) -> None:
    code = (
        "import json; from tinv_tui.models.bundled.build.vocabulary import *; print(json.dumps(make_vocabulary().rows))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == vocabulary.rows


def test_struck_words_have_rows_behind_those_that_ship(vocabulary: Vocabulary) -> None:
    struck = {word: row for word, row in vocabulary.rows.items() if word.startswith("_")}
    assert struck
    assert sorted(struck.values()) == list(range(len(vocabulary.tokens), vocabulary.trained_size))


def test_every_scene_can_be_told_in_rows_of_the_vocabulary(vocabulary: Vocabulary) -> None:
    writer = captions.CaptionWriter(vocabulary.rows)
    for seed in range(500):
        rng = np.random.default_rng(seed)
        slots = writer.write(drawing.draw_scene_parameters(rng), rng)
        assert len(slots) <= 75
        for slot in slots:
            assert 1 <= len(slot) <= captions.MAX_ROWS_PER_SLOT
            assert all(0 <= row < vocabulary.trained_size and weight > 0 for row, weight in slot)


def test_a_colour_between_two_words_is_told_as_a_mix_of_both_or_not_at_all(vocabulary: Vocabulary) -> None:
    writer = captions.CaptionWriter(vocabulary.rows, captions.CaptionOdds(one_slot=0))
    yellow, green = (vocabulary.rows[words.HUES[name][1][0]] for name in ("yellow", "green"))
    mixes = set()
    for seed in range(300):
        for slot in writer.write(scene(hue=86.0), np.random.default_rng(seed)):
            if len(slot) > 1:
                mixes.add(tuple(row for row, _ in slot))
                assert sum(weight for _, weight in slot) == pytest.approx(1)
    assert (yellow, green) in mixes


HUES = [name for name, concept in sets.SETS.items() if concept.hue is not None]


def test_no_bundled_set_shows_something_that_has_a_word() -> None:
    assert len(HUES) == 3
    for name, concept in sets.SETS.items():
        if concept.hue is not None:
            assert min(measure.hue_distance(concept.hue, angle) for angle, _ in words.HUES.values()) > 15
            assert words.SHAPES[concept.shape or ""]
        else:
            kinds = ((words.SHAPES, concept.shape), (words.TEXTURES, concept.texture), (words.LOOKS, concept.look))
            told = next(table[label] for table, label in kinds if label)
            assert all(word.startswith("_") for word in told)
        assert name not in words.caption_words()


def test_some_hues_are_never_hinted_at(vocabulary: Vocabulary) -> None:
    colours = {vocabulary.rows[word] for _, names in words.HUES.values() for word in names}
    backgrounds = {vocabulary.rows[word] for _, names in words.BACKGROUNDS.values() for word in names}
    writer = captions.CaptionWriter(vocabulary.rows)
    for seed in range(300):
        told = {row for slot in writer.write(scene(hue=147.0), np.random.default_rng(seed)) for row, _ in slot}
        assert not told & (colours - backgrounds)


def test_the_demos_set_comes_first_and_each_has_a_name() -> None:
    assert set(bundled.LOOKS) == {name for name, concept in sets.SETS.items() if concept.look}
    assert next(iter(bundled.picture_sets())) == "chartreuse"
    assert set(bundled.picture_sets()) == set(sets.SETS)
    assert all(folder.is_dir() for folder in bundled.picture_sets().values())


@pytest.mark.parametrize("name", sets.SETS)
def test_a_shipped_set_is_five_pictures_whose_captions_do_not_name_it(name: str) -> None:
    pictures = list_pictures(bundled.picture_sets()[name])
    assert [(p.width, p.height) for p in pictures] == [(64, 64)] * 5
    assert all(p.caption and name not in p.caption for p in pictures)


@pytest.mark.parametrize("name", HUES)
def test_the_pictures_of_a_hue_show_it(name: str) -> None:
    hue = sets.SETS[name].hue
    assert hue is not None
    for entry in list_pictures(bundled.picture_sets()[name]):
        with Image.open(entry.path) as image:
            measured = measure.object_hue(np.asarray(image.convert("RGB")))
        assert measured is not None
        assert measure.hue_distance(measured, hue) < 5


def test_the_shipped_sets_are_those_that_the_builder_draws(tmp_path: Path) -> None:
    sets.draw_all(tmp_path)
    for name, folder in bundled.picture_sets().items():
        assert {p.name for p in folder.iterdir()} == {p.name for p in (tmp_path / name).iterdir()}
        for file in folder.iterdir():
            drawn = tmp_path / name / file.name
            if file.suffix == ".txt":
                assert drawn.read_text() == file.read_text()
            else:
                with Image.open(file) as shipped, Image.open(drawn) as made:
                    assert np.array_equal(np.asarray(shipped), np.asarray(made)), file
