"""Pictures that carry an embedding: a PNG whose text chunk ``sd-ti-embedding`` holds it (reference a1111 §2.5)."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tinv_tui.atomic import write_atomic
from tinv_tui.embeddings.files import Embedding

CHUNK = "sd-ti-embedding"


def write_card(path: Path, image: Image.Image, embedding: Embedding, parameters: str) -> None:
    """Write the picture with the embedding in it. Raises OSError, or ValueError for families a card cannot hold."""
    if set(embedding.vectors) != {"emb_params"}:
        raise ValueError("a picture can carry embeddings with one tensor only")
    content = {
        "string_to_token": {"*": 265},
        "string_to_param": {"*": {"TORCHTENSOR": embedding.vectors["emb_params"].astype(float).tolist()}},
        "name": embedding.name,
        "step": embedding.step,
        "sd_checkpoint": None,
        "sd_checkpoint_name": embedding.base_model,
    }
    chunk = base64.b64encode(json.dumps(content).encode()).decode()
    write_png(path, image, {CHUNK: chunk, "parameters": parameters})


def write_png(path: Path, image: Image.Image, texts: dict[str, str]) -> None:
    """Write a PNG with text chunks, atomically. Raises OSError."""
    info = PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    write_atomic(path, buffer.getvalue())
