"""The prompt of every sample: a new line and freshly altered tags each time, the same whenever it is asked for."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tinv_tui.models import bundled
from tinv_tui.models.tokenizer import Chunk, tokenizer_for
from tinv_tui.training import prompts
from tinv_tui.training.prompts import PromptBook

LINES = [f"a photo {n} of [name], [filewords]" for n in range(4)]


def book(**changes: Any) -> PromptBook:
    values: dict[str, Any] = {
        "lines": LINES,
        "captions": ["a, b, c, d", None, "tidy"],
        "name": "zork",
        "vectors": 2,
        "tokenizer": tokenizer_for(bundled.FOLDER / "tokenizer"),
        "seed": 3,
    }
    return PromptBook(**values | changes)


def tags(text: str) -> list[str]:
    return text.split(", ")[1:]


def test_a_prompt_depends_on_step_and_sample_alone() -> None:
    asked = [(step, sample) for step in range(1, 30) for sample in range(3)]
    altered = {"shuffle_tags": True, "drop_out_tags": 0.5}
    forward, backward = book(**altered), book(**altered)
    texts = [forward.text(*key, 0) for key in asked]
    assert [backward.text(*key, 0) for key in reversed(asked)] == texts[::-1]
    assert book(**altered, seed=4).text(1, 0, 0) not in {None, ""}
    assert [book(**altered, seed=4).text(*key, 0) for key in asked] != texts


def test_every_sample_of_every_step_draws_a_line_of_the_template() -> None:
    own = book(captions=[None])
    for drawn in (
        Counter(own.text(step, 0, 0) for step in range(400)),
        Counter(own.text(1, sample, 0) for sample in range(400)),
    ):
        assert set(drawn) == {f"a photo {n} of [name]" for n in range(4)}
        assert min(drawn.values()) > 60


def test_the_caption_is_the_pictures_own() -> None:
    assert tags(book().text(1, 0, 0)) == ["a", "b", "c", "d"]
    assert tags(book().text(1, 0, 1)) == []
    assert tags(book().text(1, 0, 2)) == ["tidy"]


def test_shuffled_tags_all_stay_and_come_in_every_order() -> None:
    orders = Counter(tuple(tags(book(shuffle_tags=True).text(step, 0, 0))) for step in range(600))
    assert all(sorted(order) == ["a", "b", "c", "d"] for order in orders)
    assert len(orders) == 24


def test_each_tag_is_left_out_with_the_chance_asked_for() -> None:
    own = book(drop_out_tags=0.1)
    kept = Counter(tag for step in range(2000) for tag in tags(own.text(step, 0, 0)))
    assert set(kept) == set("abcd")
    assert all(0.87 < count / 2000 < 0.93 for count in kept.values())


def test_tags_that_stay_keep_their_order_unless_shuffled() -> None:
    own = book(drop_out_tags=0.5)
    assert all(tags(t) == sorted(tags(t)) for t in (own.text(step, 0, 0) for step in range(50)))


def test_a_chance_of_1_leaves_no_tag_and_a_tidy_line() -> None:
    assert book(drop_out_tags=1.0, lines=["[name], [filewords]"]).text(1, 0, 0) == "[name]"


def test_tags_do_not_decide_which_line_is_drawn() -> None:
    lines = [book(**c).text(5, 1, 0).split(",")[0] for c in ({}, {"shuffle_tags": True}, {"drop_out_tags": 0.9})]
    assert len(set(lines)) == 1


def test_the_evaluation_reads_the_first_line_and_the_whole_caption() -> None:
    own = book(shuffle_tags=True, drop_out_tags=0.9)
    assert own.fixed_text(0) == "a photo 0 of [name], a, b, c, d"
    assert own.fixed_text(1) == "a photo 0 of [name]"


def test_a_prompt_is_tokenised_with_the_vectors_in_the_place_of_the_name() -> None:
    own = book()
    (chunk,) = own.chunks("a photo of [name]")
    assert [s for s in chunk.slots if s >= 0] == [0, 1]
    assert own.chunks("a photo of zork") == (chunk,)


def test_the_tokenised_prompts_that_were_asked_for_last_are_kept_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "MOST_KNOWN", 3)
    own, tokenised = book(), list[str]()
    real = own.tokenizer.chunks

    def chunks(text: str, name: str, vectors: int) -> tuple[Chunk, ...]:
        tokenised.append(text)
        return real(text, name, vectors)

    monkeypatch.setattr(own.tokenizer, "chunks", chunks)
    for text in ["a", "b", "c", "a", "d", "a", "c", "b"]:
        assert own.chunks(text) == real(text, own.name, own.vectors)
    assert tokenised == ["a", "b", "c", "d", "b"]


def test_no_more_than_a_few_thousand_are_kept() -> None:
    assert prompts.MOST_KNOWN <= 5000


def test_a_prompt_is_told_as_a_person_would_write_it() -> None:
    assert book().readable("a photo of [name], red") == "a photo of zork, red"


@pytest.mark.parametrize("caption", ["a [name] on a mat", "a zork on a mat"])
def test_a_caption_that_says_the_name_puts_the_vectors_in_a_second_time(caption: str) -> None:
    own = book(captions=[caption], lines=["[name], [filewords]"])
    (chunk,) = own.chunks(own.text(1, 0, 0))
    assert [s for s in chunk.slots if s >= 0] == [0, 1, 0, 1]
