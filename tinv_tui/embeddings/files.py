"""Embedding files, in and out: what the rest of the program uses. Needs no torch: vectors are NumPy arrays.

Our own file is a ``.safetensors`` with one tensor ``emb_params`` [vectors, width], fp32, which A1111, Forge, ComfyUI and
diffusers load; SDXL has ``clip_l`` and ``clip_g`` instead. Where it came from stands in the header.
"""

from __future__ import annotations

from tinv_tui.embeddings.embedding import Embedding, Vectors
from tinv_tui.embeddings.reading import read_embedding
from tinv_tui.embeddings.writing import write_embedding

__all__ = ["Embedding", "Vectors", "read_embedding", "write_embedding"]
