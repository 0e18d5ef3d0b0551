"""Tokenises prompts as CLIP does, with the embedding's vectors in the place of its name. Needs no torch.

A prompt of more than 75 tokens becomes several chunks of 75; an embedding is never split across two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from tinv_tui.errors import InputError

CHUNK = 75
"""Tokens of a prompt that one pass of the text encoder takes, begin and end not counted."""
PLACEHOLDER = "[name]"
STAND_IN = 0
"""The token id in the place of a vector, which is not read. It is not the end token, whose position is looked for."""

_KEPT = 8192
"""Texts whose tokens are kept: a form asks for those of every caption again at each key."""
_SPELLED = 64
"""Of those whose tokens are shown: an init text as it is being typed."""


@dataclass(frozen=True)
class Chunk:
    """77 token ids, and for each position the vector that replaces it, or -1."""

    ids: tuple[int, ...]
    slots: tuple[int, ...]

    @property
    def used(self) -> int:
        """How many of the 75 are taken."""
        return self._used

    _used: int = 0


@dataclass(frozen=True)
class Placeholder:
    """A word that stands for rows ``first`` to ``first + vectors - 1`` of the stack of vectors."""

    name: str
    vectors: int
    first: int = 0


class Vocabulary(Protocol):
    """What a text becomes for one text encoder; its tokens have the ids 0 to ``size`` - 1."""

    begin: int
    end: int
    pad: int
    size: int

    def ids(self, text: str) -> tuple[int, ...]: ...

    def tokens(self, text: str) -> list[str]: ...

    def token(self, number: int) -> str: ...


class PromptTokenizer:
    """Tokenises with a vocabulary, and remembers what it has."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._known = lru_cache(maxsize=_KEPT)(vocabulary.ids)
        self._spelled = lru_cache(maxsize=_SPELLED)(vocabulary.tokens)
        self.begin, self.end, self.pad, self.size = vocabulary.begin, vocabulary.end, vocabulary.pad, vocabulary.size

    def encode(self, text: str) -> list[int]:
        """Token ids without begin and end."""
        return list(self._known(text))

    def word(self, token: int) -> str:
        """The text of one token id; "" where there is none."""
        return self._vocabulary.token(token).removesuffix("</w>")

    def words(self, text: str) -> list[str]:
        """The tokens as text, to show."""
        return [token.removesuffix("</w>") for token in self._spelled(text)]

    def chunks(self, prompt: str, name: str, vectors: int) -> tuple[Chunk, ...]:
        """The chunks of a prompt in which ``[name]``, or the name as a word of its own, stands for the vectors.

        Raises InputError when the vectors alone do not fit into one chunk.
        """
        return self.weave(prompt, [Placeholder(name, vectors)])

    def weave(self, prompt: str, placeholders: Sequence[Placeholder]) -> tuple[Chunk, ...]:
        """The chunks of a prompt with any number of embeddings; ``[name]`` stands for the first of them.

        Where one name begins another, the longer one is meant. Raises InputError when the vectors of one do not fit into
        a chunk.
        """
        for placeholder in placeholders:
            if placeholder.vectors > CHUNK:
                raise InputError(
                    "too-many-vectors",
                    f"{placeholder.vectors} vectors do not fit into {CHUNK} tokens",
                    "Use fewer vectors.",
                )
        names = {p.name: p for p in reversed(placeholders) if p.name}
        if placeholders:
            names[PLACEHOLDER] = placeholders[0]
        meant = {_folded(name): placeholder for name, placeholder in names.items()}
        filled: list[tuple[list[int], list[int]]] = [([], [])]

        def room_for(count: int) -> tuple[list[int], list[int]]:
            if len(filled[-1][0]) + count > CHUNK:
                filled.append(([], []))
            return filled[-1]

        for position, part in enumerate(re.split(f"({_any_of(names)})", prompt)):
            if position % 2:
                placeholder = meant[_folded(part)]
                ids, slots = room_for(placeholder.vectors)
                ids += [STAND_IN] * placeholder.vectors
                slots += range(placeholder.first, placeholder.first + placeholder.vectors)
                continue
            for token in self.encode(part):
                ids, slots = room_for(1)
                ids.append(token)
                slots.append(-1)
        return tuple(self._close(ids, slots) for ids, slots in filled)

    def _close(self, ids: list[int], slots: list[int]) -> Chunk:
        blank = CHUNK - len(ids)
        closed = (self.begin, *ids, self.end, *[self.pad] * blank)
        return Chunk(closed, (-1, *slots, -1, *[-1] * blank), len(ids))


def names_in(prompt: str, names: Sequence[str]) -> list[str]:
    """Those names that occur in a prompt as words of their own, longest first, as :meth:`PromptTokenizer.weave` reads them."""
    spelled = {_folded(name): name for name in names if name}
    found = {_folded(word) for word in re.findall(_any_of(spelled.values()), prompt)} if spelled else set()
    return [spelled[name] for name in sorted(spelled, key=len, reverse=True) if name in found]


def _folded(text: str) -> str:
    """The same for all that :func:`_any_of` takes for one, letter by letter."""
    return "".join(map(str.lower, text))


def _any_of(names: Iterable[str]) -> str:
    """A pattern for any of the names as a word of its own, in any case; the longest first, or ``my-cat-2`` would be read as
    ``my-cat``.

    Cases are as Python's ``lower`` tells them: to ``re.IGNORECASE`` the Turkish ı is an i too, and ſ an s.
    """
    spelled = {name: "".join(map(_in_any_case, name)) for name in sorted(names, key=len, reverse=True)}
    parts = [way if name == PLACEHOLDER else rf"(?<![\w-]){way}(?![\w-])" for name, way in spelled.items()]
    return "|".join(parts) or r"(?!)"


def _in_any_case(letter: str) -> str:
    alike = {one for one in (letter, letter.lower(), letter.upper()) if len(one) == 1 and one.lower() == letter.lower()}
    return f"[{''.join(sorted(alike))}]" if len(alike) > 1 else re.escape(letter)


def _read(folder: Path) -> Vocabulary:
    from tinv_tui.models.vocabulary import ClipVocabulary

    return ClipVocabulary(folder)


_source: Callable[[Path], Vocabulary] = _read


def take_vocabularies_from(source: Callable[[Path], Vocabulary]) -> None:
    """Where this process has its vocabularies from, by the folder; it reads them itself where nothing else is said."""
    global _source
    _source = source


@lru_cache(maxsize=4)
def tokenizer_for(folder: Path) -> PromptTokenizer:
    """The tokenizer of a model folder, read once. Raises InputError."""
    return PromptTokenizer(_source(folder))
