"""The formats of embedding files: a table, by which files are written and recognised (reference peers §6, a1111 §2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tinv_tui.embeddings.embedding import SDXL_TENSORS
from tinv_tui.errors import InputError
from tinv_tui.sections import FormatName

_PLAIN = {"emb_params": "emb_params", "clip_l": "clip_l", "clip_g": "clip_g", "t5xxl": "t5xxl"}


@dataclass(frozen=True)
class Format:
    """How an embedding is written. ``keys`` are the file's names for our tensors; None where the token is the name."""

    name: FormatName
    said: str
    """What it is, in the help."""
    suffix: str
    container: Literal["safetensors", "torch", "picture"]
    keys: Mapping[str, str] | None
    beside: str = ""
    """What comes between name and suffix in the library, where ``name.suffix`` is another format's."""

    def refusal(self, tensors: Iterable[str]) -> str:
        """Why an embedding of these tensors cannot be written so; "" when it can."""
        held = tuple(tensors)
        if self.container == "picture":
            several = "a picture carries one tensor (its pixels have no place for a second name)"
            return "" if held == ("emb_params",) else f"{several}, and this embedding has {' and '.join(held)}"
        if self.keys is None:
            fits = held == ("emb_params",) or set(held) == set(SDXL_TENSORS)
            return "" if fits else f"diffusers has no files for {' and '.join(held)}"
        missing = [name for name in held if name not in self.keys]
        return f"{self.said} has no place for {' and '.join(missing)}" if missing else ""


FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        Format("safetensors", "the format that every tool loads", ".safetensors", "safetensors", _PLAIN),
        Format("pt", "A1111's own format", ".pt", "torch", _PLAIN),
        Format("diffusers", "diffusers' learned_embeds", ".safetensors", "safetensors", None, ".diffusers"),
        Format("bin", "diffusers' learned_embeds.bin", ".bin", "torch", None),
        Format("kohya", "kohya's format", ".safetensors", "safetensors", _PLAIN, ".kohya"),
        Format(
            "onetrainer",
            "OneTrainer's format",
            ".safetensors",
            "safetensors",
            {"emb_params": "emp_params", "clip_l": "clip_l", "clip_g": "clip_g", "t5xxl": "t5"},
            ".onetrainer",
        ),
        Format("invokeai", "InvokeAI's format", ".safetensors", "safetensors", _PLAIN, ".invokeai"),
        Format(
            "pti",
            "replicate's .pti, which is for SDXL,",
            ".pti",
            "safetensors",
            {"clip_l": "text_encoders_0", "clip_g": "text_encoders_1"},
        ),
        Format("png", "a PNG card", ".png", "picture", _PLAIN),
        Format("webp", "a WebP card", ".webp", "picture", _PLAIN),
    )
}

OWN = FORMATS["safetensors"]

READABLE = (".safetensors", ".pt", ".bin", ".pti", ".ckpt", ".png", ".webp")
"""Extensions of what can hold an embedding, in the order in which a name finds them."""

CARD_SUFFIXES = (".png", ".webp")
"""What a card may be; a WebP keeps its pixels only where it is lossless."""

NAMED_BY_FILE = (".safetensors", ".pt", ".bin")
"""Extensions that A1111 and others load by the file's name."""


def format_for(path: Path, name: str = "") -> Format:
    """The format called ``name``, or else the one that the extension means. Raises InputError."""
    by_suffix = {form.suffix: form for form in reversed(FORMATS.values())}
    if name and name not in FORMATS:
        raise InputError("format-unknown", f"there is no format {name!r}", f"There are: {', '.join(FORMATS)}.")
    form = FORMATS[name] if name else by_suffix.get(path.suffix.lower())
    if form is None:
        raise InputError(
            "format-unknown",
            f"{path}: {path.suffix or 'no extension'} tells no format",
            f"End it in one of {' '.join(by_suffix)}, or give --format.",
        )
    if name and path.suffix.lower() != form.suffix:
        raise InputError("format-suffix", f"{path}: files of the format {name} end in {form.suffix}", "Rename it.")
    return form


def check_writable(form: Format, tensors: Iterable[str], where: str) -> None:
    """Raise InputError, which begins with ``where``, when an embedding of these tensors cannot be written in the format."""
    refusal = form.refusal(tensors)
    if refusal:
        raise InputError("format-misfit", f"{where}: {refusal}", "Write it as .safetensors, which every tool loads.")


def library_file(folder: Path, name: str, form: Format) -> Path:
    """Where the library keeps an embedding in a format: names never meet, whatever formats are asked for."""
    return folder / f"{name}{form.beside}{form.suffix}"
