"""Makes the tokenizer: a CLIP byte-pair vocabulary in which every word of the captions is one token."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tokenizers import pre_tokenizers

from tinv_tui.models.bundled.build import words

BEGIN, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in row order, the merges that make them, and the rows of all caption words.

    ``rows`` also holds the struck words; their rows follow those of ``tokens`` and are cut off when the model is written.
    """

    tokens: list[str]
    merges: list[tuple[str, str]]
    rows: dict[str, int]

    @property
    def begin(self) -> int:
        return len(self.tokens) - 2

    @property
    def end(self) -> int:
        return len(self.tokens) - 1

    @property
    def trained_size(self) -> int:
        """Rows of the table during training, struck words included."""
        return max(len(self.tokens), max(self.rows.values()) + 1)


def make_vocabulary() -> Vocabulary:
    """Learn merges until each word is one token; everything else falls back to letters and bytes, and never fails."""
    spoken = [w for w in words.caption_words() if not w.startswith("_")]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    letters = [*alphabet, *(letter + WORD_END for letter in alphabet)]
    merges = _learn_merges(spoken, letters)
    tokens = [*dict.fromkeys([*letters, *(left + right for left, right in merges)]), BEGIN, END]
    row = {token: i for i, token in enumerate(tokens)}
    rows = {word: row[word + WORD_END] for word in spoken}
    rows |= {letter: row[letter + WORD_END] for letter in "abcdefghijklmnopqrstuvwxyz"}
    struck = [w for w in words.caption_words() if w.startswith("_")]
    rows |= {word: len(tokens) + i for i, word in enumerate(struck)}
    return Vocabulary(tokens, merges, rows)


def _learn_merges(spoken: list[str], letters: list[str]) -> list[tuple[str, str]]:
    """Byte-pair merges, the most frequent pair first; of several, that of the lowest rows.

    Not left to the tokenizers library, which breaks ties in an order that changes from process to process: a build that
    is taken up again must find every word in the same row.
    """
    split = [[*pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(word)[0][0]] for word in spoken]
    for symbols in split:
        symbols[-1] += WORD_END
    row = {letter: i for i, letter in enumerate(letters)}
    merges = list[tuple[str, str]]()
    while pairs := Counter(pair for symbols in split for pair in pairwise(symbols)):
        left, right = best = min(pairs, key=lambda pair: (-pairs[pair], row[pair[0]], row[pair[1]]))
        merges.append(best)
        row.setdefault(left + right, len(row))
        for symbols in split:
            for i in range(len(symbols) - 2, -1, -1):
                if symbols[i : i + 2] == [left, right]:
                    symbols[i : i + 2] = [left + right]
    return merges


def write_tokenizer(vocabulary: Vocabulary, folder: Path) -> None:
    """Write the tokenizer in the layout both old and new readers know: vocab.json and merges.txt beside tokenizer.json."""
    from transformers import CLIPTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    table = {token: i for i, token in enumerate(vocabulary.tokens)}
    tokenizer = CLIPTokenizer(vocab=table, merges=vocabulary.merges, model_max_length=77)
    tokenizer.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(table, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in vocabulary.merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
