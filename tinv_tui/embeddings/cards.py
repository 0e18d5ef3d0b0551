"""Pictures that carry an embedding, twice: in the PNG text chunk ``sd-ti-embedding`` and in their pixels (a1111 §2.5–2.6)."""

from __future__ import annotations

import base64
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tinv_tui.atomic import write_atomic
from tinv_tui.embeddings.embedding import Embedding, family_of
from tinv_tui.embeddings.headers import whole_step
from tinv_tui.embeddings.overlay import with_caption
from tinv_tui.embeddings.pixels import MOST_BYTES, NoPayload, put_in, take_out
from tinv_tui.errors import InputError

CHUNK = "sd-ti-embedding"

MOST_PIXELS = 20_000_000
"""Of a whole card, strips and all."""
_FORMATS = ("PNG", "WEBP", "JPEG")
"""What is read, by its content: whatever else Pillow knows stays shut, such as PostScript, for which it starts a program."""
_MOST_VECTORS = 1000


def write_card(path: Path, image: Image.Image, embedding: Embedding, parameters: str) -> None:
    """Write :func:`card_bytes`, atomically. Raises OSError, or ValueError."""
    write_atomic(path, card_bytes(path, image, embedding, parameters))


def card_bytes(path: Path, image: Image.Image, embedding: Embedding, parameters: str) -> bytes:
    """The picture, captioned, with the embedding in it, as ``path`` wants it: a PNG or a WebP.

    A small picture is enlarged, for the words on it. Raises ValueError for families a card cannot hold.
    """
    if set(embedding.vectors) != {"emb_params"}:
        raise ValueError("a picture can carry embeddings with one tensor only")
    rows = embedding.vectors["emb_params"]
    model_hash = (embedding.base_model_hash or "")[:10] or None
    content = json.dumps(
        {
            "string_to_token": {"*": 265},
            "string_to_param": {"*": {"TORCHTENSOR": rows.astype(float).tolist()}},
            "name": embedding.name,
            "step": embedding.step,
            "sd_checkpoint": model_hash,
            "sd_checkpoint_name": embedding.base_model,
        }
    ).encode()
    if len(content) > MOST_BYTES:
        raise ValueError(f"{embedding.count} vectors are too many for a picture")
    footers = (
        embedding.base_model or "",
        f"[{model_hash}]" if model_hash else "",
        f"{embedding.count}v {embedding.step or 0}s",
    )
    card = put_in(with_caption(image, f"<{embedding.name}>", footers), content, rows[0])
    if math.prod(card.size) > MOST_PIXELS:
        raise ValueError(f"{card.width} x {card.height} is too large for a card")
    if path.suffix.lower() == ".webp":  # it has no text chunks: the pixels carry it
        buffer = io.BytesIO()
        card.save(buffer, "WEBP", lossless=True, exact=True)
        return buffer.getvalue()
    return _png(card, {CHUNK: base64.b64encode(content).decode(), "parameters": parameters})


def read_card(path: Path) -> Embedding:
    """The embedding a picture carries; its chunk wins over its pixels. Raises InputError when it carries none."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if math.prod(image.size) > MOST_PIXELS:
                raise InputError("picture-large", f"{path}: {image.width} x {image.height} is too large for a card", "")
            image.load()
            chunk = getattr(image, "text", {}).get(CHUNK)
            damage = ""
            if chunk is not None:
                try:
                    return _embedding(base64.b64decode(chunk, validate=True), path)
                except ValueError as error:
                    damage = f"its chunk is damaged ({error})"
            try:
                return _embedding(take_out(image), path)
            except NoPayload as error:
                if not damage:
                    raise InputError(
                        "no-embedding", f"{path} carries no embedding: {error}", "Is it the picture as it was saved?"
                    ) from None
                raise ValueError(damage) from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError("embedding-broken", f"{path} cannot be read as a card: {error}", "") from None


def write_png(path: Path, image: Image.Image, texts: dict[str, str]) -> None:
    """Write a PNG with text chunks, atomically. Raises OSError."""
    write_atomic(path, _png(image, texts))


def _png(image: Image.Image, texts: dict[str, str]) -> bytes:
    info = PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def _embedding(text: bytes, path: Path) -> Embedding:
    """What the JSON of a card says. Raises ValueError for what is none."""
    if len(text) > MOST_BYTES:
        raise ValueError("it is longer than an embedding can be")
    try:
        content = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    params = content.get("string_to_param") if isinstance(content, dict) else None
    if not isinstance(params, dict) or len(params) != 1:
        raise ValueError("it does not hold one embedding")
    rows = _rows(next(iter(params.values())))
    step, model_hash, model = (content.get(key) for key in ("step", "sd_checkpoint", "sd_checkpoint_name"))
    return Embedding(
        name=str(content.get("name") or path.stem),
        vectors={"emb_params": rows},
        step=whole_step(step),
        base_model=str(model) if model else None,
        family=family_of({"emb_params": rows}),
        format="picture",
        details={"sd_checkpoint": str(model_hash)} if model_hash else {},
    )


def _rows(tensor: Any) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    numbers = tensor.get("TORCHTENSOR") if isinstance(tensor, dict) else None
    if not isinstance(numbers, list):
        raise ValueError("it holds no tensor")
    try:
        rows = np.atleast_2d(np.asarray(numbers, dtype=np.float64)).astype(np.float32)
    except (TypeError, OverflowError):
        raise ValueError("its tensor is no list of numbers") from None
    if rows.ndim != 2 or not rows.size or rows.shape[0] > _MOST_VECTORS:
        raise ValueError("its tensor's shape is not that of an embedding")
    return rows
