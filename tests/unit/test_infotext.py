"""The ``parameters`` text of pictures, as A1111 and Forge write it, and what previews take from it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import get_args

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tinv_tui.datasets.infotext import (
    Infotext,
    parse_infotext,
    preview_values,
    read_infotext,
    sampler_of,
    write_infotext,
)
from tinv_tui.errors import InputError
from tinv_tui.recipe import make_recipe
from tinv_tui.sections import PreviewSection, Sampler

A1111_110 = """a photo of my-cat, (masterpiece:1.2)
on a beach, 4k
Negative prompt: blurry, "bad" hands
lowres
Steps: 25, Sampler: DPM++ 2M SDE, Schedule type: Karras, CFG scale: 6.5, Seed: 1234567890, Size: 512x768, \
Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Denoising strength: 0.7, Clip skip: 2, Hires upscale: 2, \
TI hashes: "my-cat: afea88a4b1c0, other: 123", Version: v1.10.1"""
A1111_16 = """a my-cat
Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 42, Size: 512x512, \
Model hash: 6ce0161689, Model: "a, b: c", Version: v1.6.0"""
FORGE = """a my-cat
Steps: 20, Sampler: Euler, Schedule type: Simple, CFG scale: 1, Distilled CFG Scale: 3.5, Seed: 7, \
Size: 896x1152, Model: flux1-dev, Version: f2.0.1v1.10.1, \
Diffusion in Low Bits: Automatic (fp16 LoRA), Module 1: ae"""


def test_a_text_of_a1111_is_taken_apart() -> None:
    info = parse_infotext(A1111_110)
    assert info.prompt == "a photo of my-cat, (masterpiece:1.2)\non a beach, 4k"
    assert info.negative == 'blurry, "bad" hands\nlowres'
    assert info.values["TI hashes"] == "my-cat: afea88a4b1c0, other: 123"
    assert (info.values["Steps"], info.values["Version"], info.values["Schedule type"]) == ("25", "v1.10.1", "Karras")


def test_it_fills_the_preview_and_says_what_it_cannot_carry_over() -> None:
    values, notes = preview_values(parse_infotext(A1111_110))
    assert values == {
        "prompts": ["a photo of my-cat, (masterpiece:1.2) on a beach, 4k"],
        "negative": 'blurry, "bad" hands lowres',
        "steps": 25,
        "sampler": "dpm++ 2m sde karras",
        "cfg": 6.5,
        "seed": 1234567890,
        "width": 512,
        "height": 768,
    }
    assert len(notes) == 2
    assert "plain words" in notes[0]
    assert "hires" in notes[1]
    make_recipe({"preview": values})


def test_the_older_form_has_the_schedule_in_the_samplers_name_and_values_in_quotes() -> None:
    info = parse_infotext(A1111_16)
    assert info.values["Model"] == "a, b: c"
    assert preview_values(info) == (
        {
            "prompts": ["a my-cat"],
            "negative": "",
            "steps": 20,
            "sampler": "dpm++ 2m karras",
            "cfg": 7.0,
            "seed": 42,
            "width": 512,
            "height": 512,
        },
        [],
    )


def test_a_text_of_forge_is_read_too() -> None:
    values, notes = preview_values(parse_infotext(FORGE))
    assert (values["sampler"], values["cfg"], values["width"], values["height"]) == ("euler", 1.0, 896, 1152)
    assert notes == ["the sampler 'Euler Simple' is drawn as euler, the nearest there is"]


@pytest.mark.parametrize(
    ("text", "prompt", "negative", "count"),
    [
        ("", "", "", 0),
        ("only a prompt", "only a prompt", "", 0),
        ("a prompt: with, colons: in it\nand more", "a prompt: with, colons: in it\nand more", "", 0),
        ("Negative prompt: blur", "", "blur", 0),
        ("Steps: 20, Sampler: Euler a, CFG scale: 7", "", "", 3),
        ("Negative prompt: blur\nSteps: 20", "", "blur", 1),
        ("a\r\nNegative prompt: b\r\nSteps: 1, Seed: 2, Size: 8x8", "a", "b", 3),
        ('a\nSteps: 1, Model: "unclosed, Seed: 2', "a", "", 3),
    ],
)
def test_any_part_may_be_missing(text: str, prompt: str, negative: str, count: int) -> None:
    info = parse_infotext(text)
    assert (info.prompt, info.negative, len(info.values)) == (prompt, negative, count)


@pytest.mark.parametrize(
    "pair", ["Steps: many", "Steps: 0", "CFG scale: nan", "CFG scale: 0.5", "Seed: -5", "Size: 513x512", "Size: 9999x8"]
)
def test_a_value_that_is_not_possible_is_left_out_and_said(pair: str) -> None:
    values, notes = preview_values(parse_infotext(f"a cat\nSampler: Euler a, Version: 1, Model: m, {pair}"))
    assert len(notes) == 1
    assert set(values) == {"prompts", "negative", "sampler"}


def test_networks_are_left_out_of_the_prompt() -> None:
    values, notes = preview_values(Infotext("a my-cat <lora:sketch:0.8>, ink", "", {}))
    assert values["prompts"] == ["a my-cat , ink"]
    assert "lora" in notes[0]


@pytest.mark.parametrize(
    ("name", "schedule", "ours", "is_same"),
    [
        ("DPM++ 2M", "Karras", "dpm++ 2m karras", True),
        ("DPM++ 2M", "Automatic", "dpm++ 2m karras", True),
        ("DPM++ 2M", "", "dpm++ 2m", True),
        ("DPM++ 2M", "Uniform", "dpm++ 2m", True),
        ("DPM++ 2M", "SGM Uniform", "dpm++ 2m", False),
        ("DPM++ 2M SDE Karras", "", "dpm++ 2m sde karras", True),
        ("DPM++ 2M SDE Exponential", "", "dpm++ 2m sde karras", False),
        ("DPM++ SDE", "Karras", "dpm++ sde karras", True),
        ("Euler a", "Automatic", "euler a", True),
        ("Euler", "Karras", "euler", False),
        ("DDIM", "Automatic", "ddim", True),
        ("UniPC", "", "unipc", True),
        ("LMS Karras", "", "lms karras", True),
        ("DPM2 a", "Karras", "dpm2 a karras", True),
        ("PLMS", "", "plms", True),
        ("DPM++ 3M SDE", "Karras", "dpm++ 2m sde karras", False),
        ("LCM", "SGM Uniform", "euler a", False),
        ("Made Up", "", "dpm++ 2m karras", False),
    ],
)
def test_samplers_are_found_by_their_names_in_a1111(name: str, schedule: str, ours: str, is_same: bool) -> None:
    chosen, note = sampler_of(name, schedule)
    assert (chosen, note == "") == (ours, is_same)


@pytest.mark.parametrize("sampler", get_args(Sampler))
def test_what_we_write_reads_back(sampler: Sampler) -> None:
    settings = PreviewSection(sampler=sampler, steps=12, cfg=3.5, negative="blur, dark", width=64, height=96)
    text = write_infotext("a photo of a zork", settings, (64, 96), 7, "sd: v1, 5")
    values, notes = preview_values(parse_infotext(text))
    assert PreviewSection(**values) == settings.model_copy(update={"prompts": ("a photo of a zork",), "seed": 7})
    assert notes == []
    assert parse_infotext(text).values["Model"] == "sd: v1, 5"


def test_the_text_has_the_form_of_a1111() -> None:
    text = write_infotext("a zork", PreviewSection(negative="blur"), (512, 512), 42, "sd-v1-5")
    assert text == (
        "a zork\nNegative prompt: blur\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 42, "
        "Size: 512x512, Model: sd-v1-5"
    )
    assert write_infotext("a zork", PreviewSection(sampler="ddim"), (512, 512), 42, "") == (
        "a zork\nSteps: 20, Sampler: DDIM, CFG scale: 7, Seed: 42, Size: 512x512"
    )


def test_a_picture_is_read_and_one_without_the_text_is_refused(tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("parameters", "a 猫\nSteps: 20, Seed: 1, Size: 64x64")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=info)
    assert read_infotext(tmp_path / "a.png").prompt == "a 猫"
    Image.new("RGB", (8, 8)).save(tmp_path / "b.png")
    (tmp_path / "c.png").write_bytes(b"no picture")
    for name, code in (("b.png", "no-parameters"), ("c.png", "picture-unreadable"), ("d.png", "picture-missing")):
        with pytest.raises(InputError) as caught:
            read_infotext(tmp_path / name)
        assert caught.value.code == code
        assert name in caught.value.message


@pytest.mark.parametrize(
    "filler",
    ["a", " ", "-", "1", '"', "\\", ":", 'aa: "', "(", "[", "(a:1", "<lora:", ":1", "a a:", "(a:" + "1" * 65_000],
)
def test_the_longest_text_there_may_be_is_read_at_once_whatever_it_says(filler: str) -> None:
    said = (filler * (65_000 // len(filler) + 1))[:65_000]
    began = time.process_time()
    for text in (f"cat\nSteps: 20, Sampler: Euler, Seed: 1, {said}", f"(a:{said}\nSteps: 20", f"a\nSize: {said}x8"):
        preview_values(parse_infotext(text))
    assert time.process_time() - began < 1  # with a square in it: half a minute and more


def test_a_text_of_more_than_64_ki_is_refused(tmp_path: Path) -> None:
    for count, refused in ((65_000, False), (900_000, True)):
        info = PngInfo()
        info.add_text("parameters", "cat\nSteps: 20, Sampler: Euler, Seed: 1, " + "a" * count, zip=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=info)
        if not refused:
            assert read_infotext(tmp_path / "a.png").prompt == "cat"
            continue
        with pytest.raises(InputError, match=r"a\.png says in 900,040 characters") as caught:
            read_infotext(tmp_path / "a.png")
        assert caught.value.code == "parameters-long"


def test_a_key_is_all_that_stands_between_the_comma_and_the_colon() -> None:
    values = parse_infotext("Steps: 1, - ADetailer model 2nd/last-one: m, Seed: 2, a (b) cd: 3,Size : 8x8").values
    assert dict(values) == {"Steps": "1", "ADetailer model 2nd/last-one": "m", "Seed": "2", "cd": "3", "Size": "8x8"}


def test_a_note_of_a_value_that_is_not_possible_stays_short() -> None:
    _, notes = preview_values(parse_infotext(f"a cat\nSampler: {'x' * 5000}, Version: 1, Seed: {'9' * 5000}"))
    assert [len(note) <= 201 for note in notes] == [True, True]
