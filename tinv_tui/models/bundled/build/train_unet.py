"""Trains the UNet and the text encoder together on the encoded pictures and their captions."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from tinv_tui.models.bundled.build import parts
from tinv_tui.models.bundled.build.captions import MAX_ROWS_PER_SLOT, CaptionWriter, Slot
from tinv_tui.models.bundled.build.drawing import Scene
from tinv_tui.models.bundled.build.muon import Muon
from tinv_tui.models.bundled.build.progress import fingerprint, load_progress, save_progress
from tinv_tui.models.bundled.build.vocabulary import Vocabulary

NOISY_ROWS = 0.5
"""Share of captions whose embeddings get noise, so that a learned vector need not hit a trained one exactly."""
NOISE_SCALE = 0.3


class SlotEmbedding:
    """A forward hook that replaces the token embedding by the weighted sums the captions ask for."""

    def __init__(self, embedding: nn.Embedding) -> None:
        self._table = embedding.weight
        self._next: tuple[Tensor, Tensor, Tensor] | None = None
        embedding.register_forward_hook(lambda *_: self._take())

    def give(self, rows: Tensor, weights: Tensor, noise: Tensor) -> None:
        """rows, weights: [b, 77, K]; noise: [b, 77, d], in units of the table's deviation."""
        self._next = (rows, weights, noise)

    def _take(self) -> Tensor:
        assert self._next is not None
        rows, weights, noise = self._next
        mixed = (F.embedding(rows, self._table) * weights[..., None]).sum(2)
        return mixed + noise * self._table.detach().std()


def pack(captions: list[list[Slot]], vocabulary: Vocabulary) -> tuple[Tensor, Tensor]:
    """Captions as tensors with begin, end and padding: rows int64 and weights fp32, both [b, 77, K]."""
    rows = np.full((len(captions), 77, MAX_ROWS_PER_SLOT), vocabulary.end, dtype=np.int64)
    weights = np.zeros(rows.shape, dtype=np.float32)
    weights[:, :, 0] = 1
    rows[:, 0, 0] = vocabulary.begin
    for b, caption in enumerate(captions):
        for position, slot in enumerate(caption, start=1):
            for k, (row, weight) in enumerate(slot):
                rows[b, position, k], weights[b, position, k] = row, weight
    return torch.from_numpy(rows), torch.from_numpy(weights)


def new_text_encoder(vocabulary: Vocabulary) -> CLIPTextModel:
    config = CLIPTextConfig(
        **parts.TEXT,
        vocab_size=vocabulary.trained_size,
        bos_token_id=vocabulary.begin,
        eos_token_id=vocabulary.end,
        pad_token_id=vocabulary.end,
    )
    return CLIPTextModel(config)


def train_unet(
    scenes: list[Scene],
    latents: Tensor,
    vocabulary: Vocabulary,
    effort: parts.Effort,
    work: Path,
    device: torch.device,
    say: Callable[[str], None],
    when_saved: Callable[[UNet2DConditionModel, CLIPTextModel], None],
) -> tuple[UNet2DConditionModel, CLIPTextModel]:
    """Train, or take up where the work folder left off; returns the averaged weights.

    ``when_saved`` gets the averaged models every few minutes, to look at.
    """
    torch.manual_seed(effort.seed)
    unet = UNet2DConditionModel(**parts.UNET).to(device)
    text = new_text_encoder(vocabulary).to(device)
    nn.init.normal_(text.get_input_embeddings().weight, std=0.1)
    both = nn.ModuleDict({"unet": unet, "text": text})
    slots = SlotEmbedding(text.get_input_embeddings())
    plain = ("embedding", "conv_out", "time_emb")
    optimizer = Muon(both, matrix_rate=0.015, other_rate=2e-3, plain=plain)
    averaged = {k: v.clone() for k, v in both.state_dict().items()}
    state = {"both": both, "optimizer": optimizer}
    done = load_progress(work / "unet.pt", state, averaged, device)
    alphas = DDIMScheduler(**parts.SCHEDULE).alphas_cumprod.to(device)
    writer = CaptionWriter(vocabulary.rows)
    started, shown, saved, smooth = time.monotonic(), 0.0, time.monotonic(), 0.0
    for step in range(done + 1, effort.unet_steps + 1):
        rng = np.random.default_rng((effort.seed, 4, step))
        chosen = rng.integers(0, len(scenes), effort.unet_batch)
        rows, weights = pack([writer.write(scenes[i], rng) for i in chosen], vocabulary)
        noise = torch.from_numpy(rng.standard_normal((effort.unet_batch, 4, 16, 16), dtype=np.float32)).to(device)
        noisy_rows = rng.random(effort.unet_batch) < NOISY_ROWS
        strength = (rng.random(effort.unet_batch) * NOISE_SCALE * noisy_rows).astype(np.float32)
        jitter = rng.standard_normal((effort.unet_batch, 77, parts.TEXT["hidden_size"]), dtype=np.float32)
        jitter *= strength[:, None, None]
        # Shape is decided in the middle of the noise range; half of the steps go there.
        timesteps = np.where(
            rng.random(effort.unet_batch) < 0.4,
            rng.integers(150, 700, effort.unet_batch),
            rng.integers(0, 1000, effort.unet_batch),
        )
        t = torch.from_numpy(timesteps).to(device)
        a = alphas[t].view(-1, 1, 1, 1)
        clean = latents[torch.from_numpy(chosen)].float().to(device)
        noisy = a.sqrt() * clean + (1 - a).sqrt() * noise
        target = a.sqrt() * noise - (1 - a).sqrt() * clean
        optimizer.set_factor(min(1.0, step / 50) * _cooling(step / effort.unet_steps))
        slots.give(rows.to(device), weights.to(device), torch.from_numpy(jitter).to(device))
        context = text(rows[:, :, 0].to(device)).last_hidden_state
        loss = F.mse_loss(unet(noisy, t, context).sample, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(
                list(averaged.values()), list(both.state_dict().values()), 0.0015 if step > 600 else 0.02
            )
        smooth = loss.item() if not smooth else 0.98 * smooth + 0.02 * loss.item()
        if time.monotonic() - shown > 30 or step == effort.unet_steps:
            shown = time.monotonic()
            rate = (step - done) / (shown - started)
            say(f"unet {step}/{effort.unet_steps}  loss {smooth:.4f}  {rate * effort.unet_batch:.0f} samples/s")
        if step % 250 == 0:
            say(f"unet {step}/{effort.unet_steps}  weights {fingerprint(averaged)}")
        if time.monotonic() - saved > 240 or step == effort.unet_steps:
            saved = time.monotonic()
            save_progress(work / "unet.pt", state, averaged, step)
            live = {k: v.clone() for k, v in both.state_dict().items()}
            both.load_state_dict(averaged)
            when_saved(unet, text)
            both.load_state_dict(live)
    both.load_state_dict(averaged)
    return unet, text


def _cooling(share: float) -> float:
    """Rate factor: full for the first part, then a cosine down to 1 %."""
    if share < 0.3:
        return 1.0
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (share - 0.3) / 0.7))
