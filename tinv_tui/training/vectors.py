"""The vectors: the only thing that is trained, and how they get into the text encoders."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import embedding

from tinv_tui.embeddings.start import starting_tokens
from tinv_tui.models.families import TextEncoder
from tinv_tui.models.loading import LoadedModel
from tinv_tui.models.tokenizer import Chunk
from tinv_tui.training.conditioning import Conditioning
from tinv_tui.training.transfer import to_device

if TYPE_CHECKING:
    from transformers import CLIPTextModel, CLIPTextModelWithProjection


def initial_vectors(text: str, count: int, model: LoadedModel) -> Tensor:
    """Rows to start from, fp32 [count, width]: the token rows of ``text`` spread over all vectors; "" gives zeros.

    Which token each vector takes, :func:`tinv_tui.embeddings.start.spread` says; the rows of all text encoders lie side
    by side. Raises InputError when the text has no tokens.
    """
    chosen = starting_tokens(text, count, model.tokenizer)
    if not chosen:
        return torch.zeros(count, model.base.width, dtype=torch.float32, device=model.device)
    return _own_rows([torch.tensor(chosen)] * len(model.text_encoders), model).to(model.device)


def pack_prompts(prompts: Sequence[Sequence[Chunk]], blank: Chunk, model: LoadedModel) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids, int64 [encoders, prompts, chunks, 77], slots [prompts, chunks, 77] and tokens [prompts, chunks, 77, width]
    of prompts, on the model's device.

    The text encoders read the same tokens and differ in what fills up a chunk, their ``pads``. Prompts with fewer chunks
    are filled up with ``blank``. What the token tables have for the ids is looked up here, on the host, side by side for
    all encoders: a prompt takes 77 rows of 49,408.
    """
    longest = max(len(chunks) for chunks in prompts)
    filled = [[*chunks, *[blank] * (longest - len(chunks))] for chunks in prompts]
    ids = torch.tensor([[[_filled_up(c, pad) for c in chunks] for chunks in filled] for pad in model.pads])
    slots = torch.tensor([[c.slots for c in chunks] for chunks in filled])
    tokens = _own_rows(list(ids), model)
    return to_device(ids, model.device), to_device(slots, model.device), to_device(tokens, model.device)


def _own_rows(ids: Sequence[Tensor], model: LoadedModel) -> Tensor:
    """The rows of each encoder's ids, [..., width] side by side; fp32, on the host."""
    tables = [encoder.get_input_embeddings().weight.detach() for encoder in model.text_encoders]
    return torch.cat([embedding(own, table) for own, table in zip(ids, tables, strict=True)], dim=-1)


def _filled_up(chunk: Chunk, pad: int) -> tuple[int, ...]:
    taken = chunk.used + 2  # begin and end
    return chunk.ids[:taken] + (pad,) * (len(chunk.ids) - taken)


class SplicingEncoder:
    """The frozen text encoders of a model, which read vectors in the place of placeholder tokens.

    The vectors are one stack of rows [n, width], what each encoder reads side by side. As one parameter they are the same
    arithmetic as several: AdamW works number by number, and a gradient's norm is that of all of them. So optimiser,
    checkpoint, best vectors and clipping know nothing of how many encoders there are.
    """

    def __init__(self, model: LoadedModel, clip_skip: int = 1) -> None:
        ends = list(accumulate(model.base.widths))
        self._encoders = [
            _SplicedEncoder(module, kind, slice(end - width, end), model.tokenizer.end, clip_skip)
            for module, kind, end, width in zip(
                model.text_encoders, model.base.family.encoders, ends, model.base.widths, strict=True
            )
        ]

    def encode(self, ids: Tensor, slots: Tensor, tokens: Tensor, rows: Tensor) -> Conditioning:
        """What the UNet is told of prompts, from the ids, slots and tokens of :func:`pack_prompts`.

        ``rows`` is the stack of vectors [n, width]; slots index it, so that one batch may hold prompts of several
        embeddings. A slot of -1 keeps the token's own row.
        """
        # [prompts, chunks, 77, width]
        spliced = torch.where((slots >= 0)[..., None], rows[slots.clamp(min=0)], tokens)
        read = [encoder.read(own, spliced) for encoder, own in zip(self._encoders, ids, strict=True)]
        context = torch.cat([hidden for hidden, _ in read], dim=-1)
        return Conditioning(context, next((pooled for _, pooled in read if pooled is not None), None))


class _SplicedEncoder:
    """One text encoder. It takes no ``inputs_embeds``, so its token embedding is made to answer with what is given."""

    def __init__(
        self,
        module: CLIPTextModel | CLIPTextModelWithProjection,
        kind: TextEncoder,
        columns: slice,
        end: int,
        clip_skip: int,
    ) -> None:
        """``columns`` of the rows are its own; ``end`` is the id of the end token."""
        self._module = module
        self._kind = kind
        self._columns = columns
        self._end = end
        self._clip_skip = clip_skip
        self._given: Tensor | None = None
        table: Any = module.get_input_embeddings()
        look_up = table.forward
        table.forward = lambda ids: look_up(ids) if self._given is None else self._given

    def read(self, ids: Tensor, spliced: Tensor) -> tuple[Tensor, Tensor | None]:
        """Hidden states [prompts, chunks · 77, own width] and, where the family has it, the pooled output."""
        prompts, chunks, positions = ids.shape
        from_the_last = self._clip_skip - 1 if self._kind.hidden == "final" else self._clip_skip
        self._given = spliced[..., self._columns].reshape(prompts * chunks, positions, -1)
        try:
            output = self._module(ids.view(-1, positions), output_hidden_states=from_the_last > 0)
        finally:
            self._given = None
        hidden: Tensor = output.last_hidden_state  # behind the final norm, which the others are not
        if from_the_last:
            hidden = output.hidden_states[-1 - from_the_last]
            if self._kind.hidden == "final":
                hidden = getattr(self._module, "text_model", self._module).final_layer_norm(hidden)
        pooled = self._pool(ids, output.last_hidden_state) if self._kind.pooled else None
        return hidden.view(prompts, chunks * positions, -1), pooled

    def _pool(self, ids: Tensor, last: Tensor) -> Tensor:
        """The first chunk's last state at its end token, projected.

        The library's own pooled output takes the highest id for the end token where the model's configuration is of the
        old kind, as that of the published SDXL is.
        """
        prompts, chunks, positions = ids.shape
        first = last.view(prompts, chunks, positions, -1)[:, 0]
        ends = (ids[:, 0] == self._end).int().argmax(dim=1)
        pooled: Tensor = self._module.text_projection(first[torch.arange(prompts, device=first.device), ends])
        return pooled
