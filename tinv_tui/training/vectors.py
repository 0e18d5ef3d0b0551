"""The vectors: the only thing that is trained, and how they get into the text encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tinv_tui.embeddings.start import starting_tokens
from tinv_tui.models.tokenizer import Chunk, PromptTokenizer

if TYPE_CHECKING:
    from transformers import CLIPTextModel


def initial_vectors(text: str, count: int, tokenizer: PromptTokenizer, text_encoder: CLIPTextModel) -> Tensor:
    """Rows to start from, fp32 [count, width]: the token rows of ``text`` spread over all vectors; "" gives zeros.

    Which token each vector takes, :func:`tinv_tui.embeddings.start.spread` says. Raises InputError when the text has no
    tokens.
    """
    table: Tensor = text_encoder.get_input_embeddings().weight.detach()
    chosen = starting_tokens(text, count, tokenizer)
    if not chosen:
        return torch.zeros(count, table.shape[1], dtype=torch.float32, device=table.device)
    return table[torch.tensor(chosen, device=table.device)].float().clone()


def pack_prompts(prompts: Sequence[Sequence[Chunk]], blank: Chunk, device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids and slots of prompts, int64 [prompts, chunks, 77]; shorter prompts are filled up with ``blank``."""
    longest = max(len(chunks) for chunks in prompts)
    filled = [[*chunks, *[blank] * (longest - len(chunks))] for chunks in prompts]
    ids = torch.tensor([[c.ids for c in chunks] for chunks in filled])
    slots = torch.tensor([[c.slots for c in chunks] for chunks in filled])
    return ids.to(device, non_blocking=True), slots.to(device, non_blocking=True)


class SplicingEncoder:
    """A frozen text encoder that reads vectors in the place of placeholder tokens.

    CLIPTextModel takes no ``inputs_embeds``, so a forward hook on its token embedding puts the rows in. Slots index a
    stack of rows, so one batch may hold prompts of several embeddings.
    """

    def __init__(self, text_encoder: CLIPTextModel, clip_skip: int = 1) -> None:
        self._encoder = text_encoder
        self._clip_skip = clip_skip
        self._splice: tuple[Tensor, Tensor] | None = None
        text_encoder.get_input_embeddings().register_forward_hook(self._put_in)

    def _put_in(self, _module: Any, _inputs: Any, embedded: Tensor) -> Tensor:
        if self._splice is None:
            return embedded
        slots, rows = self._splice
        spliced = rows[slots.clamp(min=0)].to(embedded.dtype)
        return torch.where((slots >= 0)[..., None], spliced, embedded)

    def encode(self, ids: Tensor, slots: Tensor, rows: Tensor) -> Tensor:
        """Context for the UNet, [prompts, chunks · 77, width], from ids and slots [prompts, chunks, 77].

        ``rows`` is the stack of vectors [n, width]; a slot of -1 keeps the token's own row.
        """
        prompts, chunks, positions = ids.shape
        self._splice = (slots.view(-1, positions), rows)
        try:
            if self._clip_skip == 1:
                context = self._encoder(ids.view(-1, positions)).last_hidden_state
            else:
                hidden = self._encoder(ids.view(-1, positions), output_hidden_states=True).hidden_states
                inner = getattr(self._encoder, "text_model", self._encoder)
                context = inner.final_layer_norm(hidden[-self._clip_skip])
        finally:
            self._splice = None
        joined: Tensor = context.view(prompts, chunks * positions, -1)
        return joined
