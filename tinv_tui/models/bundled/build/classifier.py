"""A small classifier that says what a picture shows; it judges the model's pictures as it judges drawn ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor, nn

from tinv_tui.models.bundled.build import drawing, words

LABELS: dict[str, list[str]] = {
    "shape": list(words.SHAPES),
    "texture": list(words.TEXTURES),
    "look": list(words.LOOKS),
    "background": list(words.BACKGROUNDS),
}


class Classifier(nn.Module):
    """Five convolutions and one linear layer; answers every question of ``LABELS`` at once."""

    def __init__(self) -> None:
        super().__init__()
        widths = [3, 24, 48, 64, 96, 128]
        self.layers = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1), nn.GroupNorm(8, b), nn.SiLU())
                for a, b in zip(widths, widths[1:], strict=False)
            )
        )
        self.head = nn.Linear(128 * 2 * 2, sum(map(len, LABELS.values())))

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Logits of each question for pictures [b, 3, 64, 64] in [-1, 1]."""
        answers = self.head(self.layers(pictures).flatten(1)).split([len(v) for v in LABELS.values()], dim=1)
        return dict(zip(LABELS, answers, strict=True))

    @torch.no_grad()
    def say(self, pictures: Sequence[NDArray[np.uint8]]) -> dict[str, list[str]]:
        """The most likely label of each question for each picture."""
        batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
        return {q: [LABELS[q][i] for i in logits.argmax(1).tolist()] for q, logits in self(batch).items()}


def _draw(rng: np.random.Generator, size: int) -> tuple[Tensor, list[drawing.Scene]]:
    """Drawn pictures of one object, [size, 3, 64, 64] in [-1, 1], and what they show."""
    scenes = [drawing.draw_scene_parameters(rng, count=1) for _ in range(size)]
    pixels = np.stack([drawing.render(scene) for scene in scenes])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1, scenes


@torch.no_grad()
def through(vae: AutoencoderKL, pictures: Tensor) -> Tensor:
    """The pictures as the VAE gives them back: the best that the model could draw."""
    parts = [vae.decode(vae.encode(part).latent_dist.mean).sample.clamp(-1, 1) for part in pictures.split(32)]
    return torch.cat(parts)


def _targets(scenes: list[drawing.Scene], question: str) -> Tensor:
    return torch.tensor([LABELS[question].index(getattr(scene, question)) for scene in scenes])


def is_visible(scene: drawing.Scene, question: str) -> bool:
    """Whether a picture of this scene can answer the question: looks hide backgrounds, and blur hides textures."""
    if question == "background":
        return scene.look in ("normal", "blurred", "pixelated")
    if question == "texture":
        return scene.look == "normal" and scene.size != "small"
    return True


def get_classifier(kept: Path, vae: AutoencoderKL, say: Callable[[str], None], steps: int = 2000) -> Classifier:
    """The classifier, trained once and kept in a file: a few minutes on one core."""
    torch.manual_seed(0)
    model = Classifier()
    if kept.exists():
        model.load_state_dict(torch.load(kept, weights_only=True))
        return model.eval()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    softened, softened_scenes = _draw(np.random.default_rng(98), 1536)
    softened = through(vae, softened)
    for step in range(steps):
        rng = np.random.default_rng((99, step))
        drawn, scenes = _draw(rng, 48)
        again = rng.integers(0, len(softened), 16)
        pictures = torch.cat([drawn, softened[torch.from_numpy(again)]])
        scenes = scenes + [softened_scenes[i] for i in again]
        loss = torch.zeros(())
        for question, logits in model(pictures).items():
            seen = torch.tensor([is_visible(scene, question) for scene in scenes])
            loss = loss + (F.cross_entropy(logits, _targets(scenes, question), reduction="none") * seen).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 250 == 0:
            say(f"classifier {step}/{steps}  loss {loss.item():.3f}")
    torch.save(model.state_dict(), kept)
    return model.eval()


def accuracy_on_drawn(model: Classifier, vae: AutoencoderKL | None, pictures: int = 512) -> dict[str, float]:
    """Share of right answers on fresh drawn pictures, through the VAE when one is given; only what can be seen counts."""
    rng = np.random.default_rng(7)
    batch, scenes = _draw(rng, pictures)
    if vae is not None:
        batch = through(vae, batch)
    found = {}
    with torch.no_grad():
        for question, logits in model(batch).items():
            seen = torch.tensor([is_visible(scene, question) for scene in scenes])
            right = (logits.argmax(1) == _targets(scenes, question)) & seen
            found[question] = float(right.sum() / seen.sum())
    return found
