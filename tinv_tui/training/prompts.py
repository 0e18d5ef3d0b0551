"""Makes the prompt of every sample from templates and captions, tokenised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tinv_tui.datasets.templates import NAME, alter_tags, fill_template, split_tags
from tinv_tui.models.tokenizer import Chunk, PromptTokenizer
from tinv_tui.training.draws import Purpose, generator

MOST_KNOWN = 4096
"""Tokenised prompts that are kept, some 10 MB: shuffled tags make new ones for ever, and those hardly ever come again."""


@dataclass
class PromptBook:
    """The prompts of a run: a new template line for every sample of every step."""

    lines: Sequence[str]
    captions: Sequence[str | None]
    """By position in the dataset."""
    name: str
    vectors: int
    tokenizer: PromptTokenizer
    seed: int
    shuffle_tags: bool = False
    drop_out_tags: float = 0.0
    _known: dict[str, tuple[Chunk, ...]] = field(default_factory=dict)

    def text(self, step: int, sample: int, picture: int) -> str:
        """The prompt of one sample, with ``[name]`` in it."""
        line = self.lines[int(generator(self.seed, Purpose.TEMPLATE, step, sample).integers(len(self.lines)))]
        caption = self.captions[picture]
        if caption and (self.shuffle_tags or self.drop_out_tags):
            chance = generator(self.seed, Purpose.TAGS, step, sample)
            count = len(split_tags(caption))
            keep = (chance.random(count) >= self.drop_out_tags).tolist() if self.drop_out_tags else None
            order = chance.permutation(count).tolist() if self.shuffle_tags else None
            caption = alter_tags(caption, keep, order)
        return fill_template(line, caption)

    def fixed_text(self, picture: int) -> str:
        """A picture's prompt for the evaluation: the first line, the whole caption."""
        return fill_template(self.lines[0], self.captions[picture])

    def chunks(self, text: str) -> tuple[Chunk, ...]:
        """The tokenised prompt; of the texts that were asked for last each is tokenised once."""
        chunks = self._known.pop(text, None)
        if chunks is None:
            chunks = self.tokenizer.chunks(text, self.name, self.vectors)
            if len(self._known) >= MOST_KNOWN:
                del self._known[next(iter(self._known))]
        self._known[text] = chunks  # as the last: a dict keeps the order
        return chunks

    def readable(self, text: str) -> str:
        """The prompt as a person would write it."""
        return text.replace(NAME, self.name)
