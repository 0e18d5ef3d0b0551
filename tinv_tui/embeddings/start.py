"""What an embedding's vectors start from: the token rows of a phrase, spread over all of them (reference a1111 §1)."""

from __future__ import annotations

from tinv_tui.errors import InputError
from tinv_tui.models.tokenizer import PromptTokenizer
from tinv_tui.printable import many

PICTURES_PER_VECTOR = 5
"""So few pictures a vector are too few; the guide wants five for an embedding of one."""


def spread(tokens: int, vectors: int) -> list[int]:
    """The position of the token that each vector starts from: vector i takes token i·T//N of the T tokens.

    The whole phrase counts: with more tokens than vectors those that are taken lie evenly in it. A1111 takes its
    beginning there.
    """
    return [i * tokens // vectors for i in range(vectors)]


def starting_tokens(text: str, vectors: int, tokenizer: PromptTokenizer) -> list[int]:
    """The token id that each vector starts from; none for "", which means zeros.

    Raises InputError when there is text, and no token in it.
    """
    if text == "":
        return []
    tokens = tokenizer.encode(text)
    if not tokens:
        raise InputError(
            "init-text-empty", f"embedding.init_text: {text!r} has no words", 'Use words, or "" for zeros.'
        )
    return [tokens[i] for i in spread(len(tokens), vectors)]


def vectors_warning(vectors: int, pictures: int) -> tuple[str, str] | None:
    """Code and message when a dataset is small for so many vectors."""
    suits = max(1, pictures // PICTURES_PER_VECTOR)
    if vectors <= suits:
        return None
    held = many(pictures, "picture")
    return "vectors-many", f"{vectors} vectors are many for {held}: {suits} would do, more overfit sooner"
