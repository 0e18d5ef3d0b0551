"""Which fields of the form a few words mean."""

from __future__ import annotations

import pytest

from tinv_tui.app.field_search import is_meant
from tinv_tui.app.fields import FIELDS


def meant(words: str) -> set[str]:
    return {key for key, field in FIELDS.items() if is_meant(field, words)}


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ("rate", "training.learning_rate"),
        ("Learning RATE", "training.learning_rate"),
        ("subject", "subject-or-style"),
        ("clip skip", "model.clip_skip"),
        ("clip_sk", "model.clip_skip"),
        ("mirror", "dataset.flip"),
        ("a1111's --no-half", "training.precision"),
    ],
)
def test_a_field_is_found_by_label_setting_help_or_choice(words: str, key: str) -> None:
    assert key in meant(words)
    assert len(meant(words)) < len(FIELDS) / 3


def test_every_word_has_to_fit_and_words_fit_from_their_beginning() -> None:
    assert meant("clip skip") < meant("clip")
    assert "saving.tensorboard" not in meant("ensor")
    assert meant("no such thing anywhere") == set()
    assert meant("  ") == set(FIELDS)
