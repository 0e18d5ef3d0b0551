"""What a form says live of an embedding's name, its vectors and the words they start from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tinv_tui import paths
from tinv_tui.embeddings import library
from tinv_tui.embeddings.files import Embedding, read_embedding, read_step
from tinv_tui.embeddings.start import spread
from tinv_tui.errors import InputError
from tinv_tui.models.identify import identify
from tinv_tui.models.tokenizer import CHUNK, PromptTokenizer, tokenizer_for
from tinv_tui.printable import many


def vectors_of(texts: Mapping[str, str]) -> int:
    """How many vectors the form asks for; 1 while the field says no number."""
    text = texts["embedding.vectors"].strip()
    return min(int(text), CHUNK) if text.isdecimal() and int(text) else 1


def tokenizer_of(texts: Mapping[str, str], beside: Path) -> PromptTokenizer | None:
    """The tokenizer of the form's base model, where there is one."""
    if not texts["model.path"].strip():
        return None
    try:
        return tokenizer_for(identify(texts["model.path"], beside).tokenizer_folder)
    except InputError:
        return None


def start_notes(texts: Mapping[str, str], beside: Path) -> dict[str, str]:
    """Notes for the vectors and the init text."""
    vectors = vectors_of(texts)
    notes = {"embedding.vectors": f"{CHUNK - vectors} of {CHUNK} tokens left"}
    tokenizer = tokenizer_of(texts, beside)
    if tokenizer is not None and texts["embedding.init_text"].strip():
        try:
            words = tokenizer.words(texts["embedding.init_text"])
        except InputError:
            return notes  # the model is gone since
        notes["embedding.init_text"] = spread_in_words(words, vectors)
    return notes


def library_notes(texts: Mapping[str, str], beside: Path) -> dict[str, str]:
    """Notes on the embedding of this name that waits to be trained, and on the one to go on from."""
    notes = {}
    folder, name, before = paths.embeddings_folder(), texts["embedding.name"].strip(), texts["embedding.continue_from"]
    created = library.find(folder, name) if name else None
    try:
        if before.strip():
            notes["embedding.continue_from"] = in_words(library.load(folder, before, beside))
        elif created is not None and read_step(created) == 0:
            notes["embedding.name"] = f"created: {in_words(read_embedding(created))}"
    except InputError:
        pass  # the check of the whole form says so at the field
    return notes


def in_words(embedding: Embedding) -> str:
    """``4 vectors, SD1, step 500``; a family that nothing tells is left out."""
    vectors = many(embedding.count, "vector")
    family = embedding.told_family or ""
    step = "" if embedding.step is None else f"step {embedding.step}"
    return ", ".join(part for part in (vectors, family, step) if part)


def spans_of(tokens: list[str], vectors: int) -> list[tuple[str, int, int]]:
    """Each token that is used, and the first and last vector it fills, counted from 1."""
    spans: list[tuple[str, int, int]] = []
    for position, index in enumerate(spread(len(tokens), vectors) if tokens else [], start=1):
        token = tokens[index]
        if spans and spans[-1][0] == token:
            spans[-1] = (token, spans[-1][1], position)
        else:
            spans.append((token, position, position))
    return spans


def spread_in_words(tokens: list[str], vectors: int) -> str:
    """Which token fills which vectors."""
    named = ", ".join(
        f"{token} → {first}" if first == last else f"{token} → {first}–{last}"
        for token, first, last in spans_of(tokens, vectors)
    )
    unused = len(tokens) - vectors
    return named + (f" ({unused} of {len(tokens)} tokens not used)" if unused > 0 else "")
