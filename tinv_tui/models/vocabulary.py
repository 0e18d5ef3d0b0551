"""CLIP vocabularies, read and held by the tokenizers library. Needs no torch."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Encoding, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from tinv_tui.errors import InputError

_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


class ClipVocabulary:
    """Read from ``vocab.json`` and ``merges.txt`` (or ``tokenizer.json``) of a model folder.

    Those that ship with the program share a vocabulary: it lies in the folder above theirs.
    """

    def __init__(self, folder: Path) -> None:
        """Raises InputError."""
        try:
            self._tokenizer = _clip_tokenizer(folder)
            self.begin = self._id("<|startoftext|>")
            self.end = self._id("<|endoftext|>")
            pad = self._tokenizer.token_to_id(_pad_token(folder))  # not the whole vocabulary as a dictionary: 3 MB
            self.pad = self.end if pad is None else int(pad)
            self.size = int(self._tokenizer.get_vocab_size())
        except Exception as error:  # noqa: BLE001  the library raises bare Exceptions for files that are not there
            raise InputError("model-broken", f"model.path: {folder}: {error}", "The tokenizer is incomplete.") from None

    def _id(self, token: str) -> int:
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise ValueError(f"its vocabulary has no {token}")
        return int(found)

    def ids(self, text: str) -> tuple[int, ...]:
        """The ids of the tokens of a text."""
        return tuple(self._encode(text).ids)

    def tokens(self, text: str) -> list[str]:
        """The tokens of a text as they are spelled; one that ends a word has ``</w>`` behind it."""
        return list(self._encode(text).tokens)

    def _encode(self, text: str) -> Encoding:
        text = text.encode(errors="replace").decode()  # half of a surrogate pair is no text to the library
        return self._tokenizer.encode(text, add_special_tokens=False)

    def token(self, number: int) -> str:
        """How one token is spelled; "" where there is none."""
        return str(self._tokenizer.id_to_token(number) or "")


def _clip_tokenizer(folder: Path) -> Tokenizer:
    if (folder.parent / "vocab.json").is_file():
        folder = folder.parent
    if not (folder / "vocab.json").is_file():
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    bpe = models.BPE.from_file(
        str(folder / "vocab.json"), str(folder / "merges.txt"), end_of_word_suffix="</w>", unk_token="<|endoftext|>"
    )
    tokenizer = Tokenizer(bpe)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(_WORDS), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _pad_token(folder: Path) -> str:
    for file in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / file).is_file():
            pad = json.loads((folder / file).read_text(encoding="utf-8")).get("pad_token")
            if isinstance(pad, dict):
                pad = pad.get("content")
            if pad:
                return str(pad)
    return "<|endoftext|>"
