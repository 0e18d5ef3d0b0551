"""Prompts become CLIP's tokens, and the embedding takes the place of its name."""

from __future__ import annotations

import json
import os
import shutil
from functools import cache
from pathlib import Path

import pytest

from tinv_tui.errors import InputError
from tinv_tui.models import bundled
from tinv_tui.models.tokenizer import CHUNK, Chunk, Placeholder, PromptTokenizer, names_in, tokenizer_for
from tinv_tui.models.vocabulary import ClipVocabulary

FOLDER = bundled.FOLDER / "tokenizer"
NASTY = [
    "",
    " \t\n\r ",
    "a photo of a cat",
    "  lots   of\tspace\nand lines ",
    "A Photo OF a CaT",
    "it's, don't, we'll, I'VE, 'S, they'd, you're",
    "''s don`t — “quoted” …",
    "café naïve Ångström",
    "cafe\u0301 e\u0300",
    "日本語のテキスト नमस्ते Ελληνικά Σ ς",
    "🐱🐈‍⬛👍🏽 cat",
    "1234 5,6 2nd ½ ² ① Ⅷ",
    "...!?! a.b.c://d ##hash",
    "a_b my_cat my-cat </w> hello</w>",
    "(masterpiece:1.2), [x], \\(a\\), <lora:x:1>, BREAK",
    "no\u00a0break\u2003em\u2028line\u2029par\x85x\x1cy",
    "nul\x00bell\x07 zero\u200bwidth\ufeffmark",
    "İstanbul ẞ ﬁ ǅ ſ",
    "x" * 300,
    "surprisingly uncharacteristically antidisestablishmentarianism",
]


@cache
def tokenizer() -> PromptTokenizer:
    return PromptTokenizer(ClipVocabulary(FOLDER))


@pytest.fixture(scope="module")
def real_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer folder with CLIP's own vocabulary."""
    data = os.environ.get("TINV_TEST_DATA")
    vocabulary = Path(data or "/nowhere") / "sd-configs" / "clip-vocab"
    if not vocabulary.is_dir():
        pytest.skip("TINV_TEST_DATA names no folder with sd-configs/clip-vocab")
    folder = tmp_path_factory.mktemp("clip")
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(vocabulary / name, folder)
    return folder


def ids_of_transformers(folder: Path, text: str) -> list[int]:
    from transformers import CLIPTokenizer

    if folder not in _theirs:
        _theirs[folder] = CLIPTokenizer.from_pretrained(folder)
    return list(_theirs[folder](text, add_special_tokens=False)["input_ids"])


_theirs: dict[Path, object] = {}


@pytest.mark.parametrize("text", NASTY)
def test_ids_are_those_of_transformers(text: str) -> None:
    assert tokenizer().encode(text) == ids_of_transformers(FOLDER, text)


@pytest.mark.parametrize("text", NASTY)
def test_ids_are_those_of_transformers_with_clips_own_vocabulary(real_clip: Path, text: str) -> None:
    assert tokenizer_for(real_clip).encode(text) == ids_of_transformers(real_clip, text)


def test_ids_of_clips_own_vocabulary_are_the_well_known_ones(real_clip: Path) -> None:
    clip = tokenizer_for(real_clip)
    assert clip.encode("a photo of a cat") == [320, 1125, 539, 320, 2368]
    assert (clip.begin, clip.end, clip.pad) == (49406, 49407, 49407)


def test_a_prompt_cannot_write_the_begin_and_end_tokens() -> None:
    ids = tokenizer().encode("<|startoftext|> a <|endoftext|>")
    assert not {tokenizer().begin, tokenizer().end} & set(ids)


def test_tokens_are_shown_as_the_words_they_are() -> None:
    assert tokenizer().words("A photo, of") == ["a", "photo", ",", "of"]


def chunks(prompt: str, name: str = "zork", vectors: int = 1) -> tuple[Chunk, ...]:
    return tokenizer().chunks(prompt, name, vectors)


def one(prompt: str, name: str = "zork", vectors: int = 1) -> Chunk:
    (chunk,) = chunks(prompt, name, vectors)
    return chunk


def places(chunk: Chunk) -> dict[int, int]:
    """Position and vector of every placeholder."""
    return {position: slot for position, slot in enumerate(chunk.slots) if slot >= 0}


def test_a_chunk_is_begin_prompt_end_and_padding_to_77() -> None:
    chunk, own = one("a photo of a"), tokenizer()
    assert chunk.ids == (own.begin, *own.encode("a photo of a"), own.end, *[own.pad] * 71)
    assert (len(chunk.ids), len(chunk.slots), chunk.used, places(chunk)) == (77, 77, 4, {})


def test_an_empty_prompt_is_one_empty_chunk() -> None:
    assert (one("").ids[:2], one("").used) == ((tokenizer().begin, tokenizer().end), 0)


def test_the_vectors_stand_where_the_name_stood() -> None:
    chunk = one("a photo of zork, a", vectors=3)
    assert places(chunk) == {4: 0, 5: 1, 6: 2}
    assert chunk.ids[7:9] == tuple(tokenizer().encode(", a"))
    assert chunk.used == 3 + 3 + 2


def test_the_end_of_a_prompt_is_found_behind_its_vectors() -> None:
    chunk = one("a photo of zork, a", vectors=3)
    assert chunk.ids.index(tokenizer().end) == chunk.used + 1


@pytest.mark.parametrize("word", ["[name]", "[NAME]", "zork", "Zork", "ZORK"])
def test_the_placeholder_and_the_name_in_any_case_are_the_same(word: str) -> None:
    assert one(f"a photo of {word}") == one("a photo of [name]")
    assert places(one(f"a photo of {word}")) == {4: 0}


@pytest.mark.parametrize(
    ("name", "same", "other"),
    [
        ("sari", "SARI", "sarı"),  # the Turkish ı has no dot, and İ one: no i either of them
        ("kedi", "Kedi", "KEDİ"),
        ("sınıf", "sınıf", "sinif"),
        ("İzmir", "İZMIR", "izmir"),
        ("mus", "MUS", "muſ"),
        ("οδος", "οδος", "οδοσ"),
        ("straße", "STRAßE", "strasse"),
    ],
)
def test_letters_that_are_alike_in_no_case_are_not_mixed_up(name: str, same: str, other: str) -> None:
    for word in (name, same):
        assert places(one(f"a photo of {word}", name)) == {4: 0}
        assert names_in(f"a {word}", [name]) == [name]
    assert places(one(f"a photo of {other}", name)) == {}
    assert names_in(f"a {other}", [name]) == []


@pytest.mark.parametrize("word", ["zorks", "azork", "zork2", "zork-2", "re-zork", "zork_b", "zorké"])
def test_a_word_that_only_contains_the_name_is_not_the_embedding(word: str) -> None:
    assert places(one(f"a {word}")) == {}


@pytest.mark.parametrize("text", ["zork", "(zork)", "zork's", "zork,", "a zork.", "zork/zork"])
def test_punctuation_around_the_name_does_not_hide_it(text: str) -> None:
    assert len(places(one(text))) == text.count("zork")


@pytest.mark.parametrize("name", ["my-cat", "my cat", "c++", "a.b", "kätzchen", "猫", "x (y)"])
def test_a_name_of_several_parts_is_matched_as_it_is_written(name: str) -> None:
    assert places(one(f"a photo of {name}, on a", name)) == {4: 0}
    assert one(f"a photo of {name}, on a", name) == one("a photo of [name], on a", name)


def test_a_name_that_would_be_a_pattern_is_none() -> None:
    assert places(one("a photo", ".+")) == {}


def test_without_a_name_only_the_placeholder_counts() -> None:
    assert places(one("a [name] photo", "")) == {2: 0}


def test_the_embedding_may_come_twice() -> None:
    assert places(one("zork and zork", vectors=2)) == {1: 0, 2: 1, 4: 0, 5: 1}


@pytest.mark.parametrize(("words", "expected"), [(75, [75]), (76, [75, 1]), (151, [75, 75, 1])])
def test_more_than_75_tokens_make_several_chunks(words: int, expected: list[int]) -> None:
    made = chunks("a " * words)
    assert [c.used for c in made] == expected
    assert all(len(c.ids) == 77 for c in made)


def test_no_token_is_lost_between_chunks() -> None:
    text = " ".join(["a photo of the star"] * 40)
    kept = [i for c in chunks(text) for i in c.ids[1 : 1 + c.used]]
    assert kept == tokenizer().encode(text)


def test_an_embedding_that_does_not_fit_any_more_begins_the_next_chunk() -> None:
    first, second = chunks("a " * 73 + "zork a", vectors=3)
    assert (first.used, places(first)) == (73, {})
    assert (second.used, places(second)) == (4, {1: 0, 2: 1, 3: 2})


def test_an_embedding_that_just_fits_stays() -> None:
    (only,) = chunks("a " * 72 + "zork", vectors=3)
    assert places(only) == {73: 0, 74: 1, 75: 2}


@pytest.mark.parametrize("vectors", [1, 2, 7, 16, 74, 75])
def test_an_embedding_is_never_split(vectors: int) -> None:
    for before in (0, 1, 58, 59, 60, 74, 75, 76):
        runs = [list(places(c).values()) for c in chunks("a " * before + "zork", vectors=vectors)]
        assert [r for r in runs if r] == [list(range(vectors))]


def test_more_vectors_than_a_chunk_has_tokens_are_refused() -> None:
    with pytest.raises(InputError, match="76 vectors do not fit into 75"):
        chunks("zork", vectors=CHUNK + 1)


def test_several_embeddings_in_one_prompt_each_take_their_own_rows_of_the_stack() -> None:
    stack = [Placeholder("zork", 2, 0), Placeholder("zork-2", 3, 2), Placeholder("plork", 1, 5)]
    (chunk,) = tokenizer().weave("plork and Zork-2 and zork", stack)
    assert places(chunk) == {1: 5, 3: 2, 4: 3, 5: 4, 7: 0, 8: 1}
    assert places(tokenizer().weave("a [name]", stack)[0]) == {2: 0, 3: 1}
    assert places(tokenizer().weave("a zorky zork-3", stack)[0]) == {}


def test_without_an_embedding_a_name_is_plain_text() -> None:
    (chunk,) = tokenizer().weave("a zork", [])
    assert (places(chunk), chunk.ids[1 : 1 + chunk.used]) == ({}, tuple(tokenizer().encode("a zork")))


def test_names_are_found_as_words_of_their_own() -> None:
    assert names_in("My-Cat-2 and zork", ["zork", "my-cat", "my-cat-2", "and z"]) == ["my-cat-2", "zork"]
    assert names_in("a", []) == []


def test_the_tokenizer_json_alone_will_do(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "tokenizer.json", tmp_path)
    assert PromptTokenizer(ClipVocabulary(tmp_path)).encode("a Photo, of it's") == tokenizer().encode(
        "a Photo, of it's"
    )


@pytest.mark.parametrize("written", ["!", {"content": "!", "lstrip": False}])
def test_padding_is_what_the_model_says(tmp_path: Path, written: object) -> None:
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(FOLDER / name, tmp_path)
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"pad_token": written}))
    padded = PromptTokenizer(ClipVocabulary(tmp_path))
    assert padded.pad == json.loads((FOLDER / "vocab.json").read_text(encoding="utf-8"))["!"] != padded.end
    assert padded.chunks("a", "", 1)[0].ids[3:] == (padded.pad,) * 74


@pytest.mark.parametrize("missing", ["everything", "merges.txt", "begin token", "good json"])
def test_a_folder_that_is_no_tokenizer_is_an_error_that_names_it(tmp_path: Path, missing: str) -> None:
    if missing != "everything":
        shutil.copy(FOLDER / "vocab.json", tmp_path)
    if missing not in ("everything", "merges.txt"):
        shutil.copy(FOLDER / "merges.txt", tmp_path)
    if missing == "begin token":
        (tmp_path / "vocab.json").write_text('{"a": 0}')
        (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    if missing == "good json":
        (tmp_path / "tokenizer_config.json").write_text("{")
    with pytest.raises(InputError) as caught:
        ClipVocabulary(tmp_path)
    assert caught.value.code == "model-broken"
    assert str(tmp_path) in caught.value.message
