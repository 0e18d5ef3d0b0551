"""The ``parameters`` text of a picture: how it was made, in the form that A1111 and Forge write and read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from tinv_tui.datasets.picture_files import open_picture
from tinv_tui.errors import InputError
from tinv_tui.sections import PreviewSection

KEYWORD = "parameters"
"""The PNG text chunk."""

_NAMES = {
    "dpm++ 2m karras": ("DPM++ 2M", "Karras"), "dpm++ 2m": ("DPM++ 2M", "Uniform"),
    "dpm++ 2m sde karras": ("DPM++ 2M SDE", "Karras"), "dpm++ 2m sde": ("DPM++ 2M SDE", "Uniform"),
    "dpm++ sde karras": ("DPM++ SDE", "Karras"), "dpm++ sde": ("DPM++ SDE", "Uniform"),
    "dpm2 karras": ("DPM2", "Karras"), "dpm2": ("DPM2", "Uniform"),
    "dpm2 a karras": ("DPM2 a", "Karras"), "dpm2 a": ("DPM2 a", "Uniform"),
    "euler a": ("Euler a", "Uniform"), "euler": ("Euler", "Uniform"), "heun": ("Heun", "Uniform"),
    "lms karras": ("LMS", "Karras"), "lms": ("LMS", "Uniform"),
    "plms": ("PLMS", ""), "ddim": ("DDIM", ""), "unipc": ("UniPC", ""),
}  # fmt: skip
"""Ours to A1111's sampler and schedule type; those without a type choose their steps themselves."""

_NEAREST = {
    "dpm++ 2s a": "euler a", "dpm++ 3m sde": "dpm++ 2m sde", "dpm++ 2m sde heun": "dpm++ 2m sde", "dpm fast": "dpm++ 2m",
    "dpm adaptive": "dpm++ 2m", "restart": "heun", "lcm": "euler a", "ddim cfg++": "ddim",
}  # fmt: skip
"""What stands in for the samplers we have not."""

_SCHEDULES = ("automatic", "uniform", "karras", "exponential", "polyexponential", "sgm uniform", "normal", "simple")
_AUTOMATIC = {"dpm++ 2m", "dpm++ 2m sde", "dpm++ sde", "dpm++ 2s a", "dpm++ 3m sde", "dpm2", "dpm2 a"}
"""Samplers for which "Automatic" means Karras, or the exponential schedule, of which Karras is the nearest we have."""

# Anybody's picture is read: each pattern takes a time that grows with the text, not with its square. So a key starts where
# its run of letters does, a bracket is looked for up to the next one, and a number is read in one way only.
_PAIR = re.compile(r'(?<![\w \-/])[ \-/]*(\w[\w \-/]{1,100}):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
_NETWORK = re.compile(r"<(?:lora|lyco|hypernet|ti):[^<>]*>", re.IGNORECASE)
_WEIGHT = re.compile(r"[(\[{][^()\[\]{}]+:\s*(?:\d+(?:\.\d+)?|\.\d+)\s*[)\]}]|\bBREAK\b|\(\(|\[[^\[\]]*[:|]")
_MOST_CHARACTERS = 2**16
"""A1111 writes some hundreds, and a PNG can hold a million in 1 KB."""
_LONGEST_NOTE = 200


@dataclass(frozen=True)
class Infotext:
    """A ``parameters`` text taken apart. ``values`` has the last line's pairs, by the names A1111 gives them."""

    prompt: str
    negative: str
    values: Mapping[str, str]


def write_infotext(
    prompt: str,
    settings: PreviewSection,
    size: tuple[int, int],
    seed: int,
    model: str,
    hashes: Mapping[str, str] | None = None,
    model_hash: str | None = None,
) -> str:
    """The text for a picture drawn with these settings; ``size`` is (width, height), ``model_hash`` ten hex digits.

    ``hashes`` are the first 12 hex digits of each embedding file's SHA-256, by name (reference a1111 §2.2).
    """
    sampler, schedule = _NAMES[settings.sampler]
    pairs = {
        "Steps": settings.steps,
        "Sampler": sampler,
        "Schedule type": schedule,
        "CFG scale": f"{settings.cfg:g}",
        "Seed": seed,
        "Size": f"{size[0]}x{size[1]}",
        "Model hash": model_hash or "",
        "Model": model,
        "TI hashes": ", ".join(f"{name}: {digits}" for name, digits in (hashes or {}).items()),
    }
    last = ", ".join(f"{key}: {_quoted(str(value))}" for key, value in pairs.items() if value != "")
    negative = f"\nNegative prompt: {settings.negative}" if settings.negative else ""
    return f"{prompt}{negative}\n{last}"


def parse_infotext(text: str) -> Infotext:
    """Take a text apart. Prompts may have several lines, and any part may be missing; then it is empty."""
    *lines, last = text.strip().split("\n")
    pairs = _PAIR.findall(last)
    if len(pairs) < 3 and not last.lstrip().startswith("Steps:"):  # not the line of settings: the prompt goes on
        lines, pairs = [*lines, last], []
    prompt, negative = list[str](), list[str]()
    part = prompt
    for line in lines:
        if line.strip().startswith("Negative prompt:"):
            part, line = negative, line.strip().removeprefix("Negative prompt:")
        part.append(line.strip())
    values = {key.strip(): _unquoted(value.strip()) for key, value in pairs}
    return Infotext("\n".join(prompt).strip(), "\n".join(negative).strip(), values)


def read_infotext(path: Path) -> Infotext:
    """The text of a PNG made by A1111, Forge or this program.

    Raises InputError when it has none, or one of more than 65,536 characters.
    """
    if not path.is_file():
        raise InputError("picture-missing", f"there is no file {path}", "Give a PNG made by A1111 or Forge.")
    try:
        with open_picture(path) as image:
            image.load()  # the text may stand behind the pixels
            text = getattr(image, "text", {}).get(KEYWORD) or image.info.get(KEYWORD)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError("picture-unreadable", f"{path}: {error}", "Give a PNG made by A1111 or Forge.") from None
    if not isinstance(text, str) or not text.strip():
        raise InputError(
            "no-parameters",
            f"{path} does not say how it was made: it has no text chunk {KEYWORD!r}",
            "Use the PNG as A1111 or Forge saved it; websites and editors take the text out.",
        )
    if len(text) > _MOST_CHARACTERS:
        raise InputError(
            "parameters-long",
            f"{path} says in {len(text):,} characters how it was made, which A1111 and Forge do in some hundreds",
            "Use the PNG as A1111 or Forge saved it.",
        )
    return parse_infotext(text)


def preview_values(info: Infotext) -> tuple[dict[str, Any], list[str]]:
    """Keys of the recipe's [preview] that the text says, and what could not be carried over, in words."""
    values: dict[str, Any] = {"negative": _one_line(info.negative)}
    notes: list[str] = []
    prompt = _one_line(_NETWORK.sub("", info.prompt))
    if prompt:
        values["prompts"] = [prompt]
    else:
        notes.append("the text has no prompt")
    if _NETWORK.search(info.prompt):
        notes.append("networks such as <lora:…> are not loaded for previews; they are left out of the prompt")
    if _WEIGHT.search(f"{prompt} {values['negative']}"):
        notes.append("weights and editing such as (word:1.2) are read as plain words")
    limits: tuple[tuple[str, str, type[int] | type[float], float, float], ...] = (
        ("Steps", "steps", int, 1, 1000),
        ("CFG scale", "cfg", float, 1, 50),
        ("Seed", "seed", int, -1, 2**63 - 1),
    )
    for theirs, ours, kind, low, high in limits:
        if theirs in info.values:
            _take_number(values, notes, ours, f"{theirs}: {info.values[theirs]}", kind, low, high)
    size = re.fullmatch(r"(\d{1,9})\s*x\s*(\d{1,9})", info.values.get("Size", ""))
    if size:
        width, height = int(size[1]), int(size[2])
        if width % 8 or height % 8 or not (8 <= width <= 4096 and 8 <= height <= 4096):
            notes.append(f"a size of {width}x{height} is not possible here; the training size is used")
        else:
            values |= {"width": width, "height": height}
    if info.values.get("Sampler"):
        values["sampler"], note = sampler_of(info.values["Sampler"], info.values.get("Schedule type", ""))
        notes += [note] if note else []
    if "Hires upscale" in info.values or "Hires resize" in info.values:
        notes.append("the second pass (hires fix) is not made")
    return values, [note if len(note) <= _LONGEST_NOTE else f"{note[:_LONGEST_NOTE]}…" for note in notes]


def sampler_of(name: str, schedule: str = "") -> tuple[str, str]:
    """Our sampler for A1111's name and schedule type, and a note where it is only the nearest; "" where it is the same.

    Up to version 1.8 the schedule was part of the name: "DPM++ 2M Karras".
    """
    method, kind = " ".join(name.lower().split()), " ".join(schedule.lower().split())
    for known in _SCHEDULES:
        if method.endswith(f" {known}"):
            method, kind = method.removesuffix(f" {known}"), kind or known
    method = method.replace("k_", "").replace("dpmpp", "dpm++")
    known_methods = {theirs.lower() for theirs, _ in _NAMES.values()}
    said = f"{name} {schedule}".strip()
    near = method not in known_methods
    if near and method not in _NEAREST:
        return PreviewSection().sampler, f"there is no sampler {said!r}; {PreviewSection().sampler} is used"
    wants_karras = kind in ("karras", "exponential", "polyexponential") or (
        kind == "automatic" and method in _AUTOMATIC
    )
    method = _NEAREST[method] if near else method
    chosen = f"{method} karras" if wants_karras and f"{method} karras" in _NAMES else method
    told = _NAMES[chosen][1].lower() or kind
    same = not near and (kind in ("", told) or kind == "automatic" or told == "")
    return chosen, "" if same else f"the sampler {said!r} is drawn as {chosen}, the nearest there is"


def _take_number(
    values: dict[str, Any],
    notes: list[str],
    key: str,
    said: str,
    kind: type[int] | type[float],
    low: float,
    high: float,
) -> None:
    try:
        number = kind(said.rpartition(": ")[2])
    except ValueError:
        notes.append(f"{said!r} is no number")
        return
    if low <= number <= high:
        values[key] = number
    else:
        notes.append(f"{said!r} is not from {low:g} to {high:g}")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if re.search(r"[,:\n]", value) else value


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        try:
            return str(json.loads(value))
        except ValueError:
            return value
    return value
