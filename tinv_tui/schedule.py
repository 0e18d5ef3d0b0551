"""The learning-rate text, ``rate[:steps], …``, and the plan it stands for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from tinv_tui.errors import InputError

Reading = Literal["duration", "absolute"]
HIGH_RATE = 0.1
TOO_HIGH = f"rates of {HIGH_RATE:g} and above usually destroy an embedding"
HIGHEST_RATE = 1000.0
MOST_STEPS = 100_000_000
"""More steps than any run has."""
_HINT = "Write a rate (0.005), or rates with step counts: 0.005:500, 0.001:1000, 0.004"


@dataclass(frozen=True)
class Span:
    """One value and the steps it holds for, first and last included, counted from 1."""

    rate: float
    first: int
    last: int


@dataclass(frozen=True)
class Plan:
    """Spans that cover steps 1 to ``steps`` without gaps, and what the user should know about them."""

    spans: tuple[Span, ...]
    warnings: tuple[tuple[str, str], ...] = field(default=())
    """(code, message) pairs."""

    def rate_at(self, step: int) -> float:
        """The value for a step, from 1; past the end the last value holds."""
        for span in self.spans:
            if step <= span.last:
                return span.rate
        return self.spans[-1].rate

    def after(self, step: int) -> Plan:
        """What is left of it once a step is done; of warnings, none."""
        return Plan(tuple(Span(s.rate, max(s.first, step + 1), s.last) for s in self.spans if s.last > step))

    def in_words(self) -> str:
        """``0.005 for 1–500, 0.001 for 501–1500``: shown wherever the text is typed."""
        return ", ".join(f"{s.rate:g} for {s.first}–{s.last}" for s in self.spans)


def parse_rates(text: str, steps: int, reading: Reading = "duration", *, key: str = "training.learning_rate") -> Plan:
    """Resolve a rate text for a run of ``steps`` steps.

    With ``duration`` the number after the colon says how many further steps the rate holds; with ``absolute`` it is the
    last step it holds for, as in A1111 (reference a1111 §5, counted from 1 here, without its overshoot and early end).
    The last rate holds to the end. Raises InputError for anything that is not a rate.
    """
    pairs = [part.strip() for part in text.split(",") if part.strip()]
    if not pairs:
        raise InputError("rate-empty", f"{key}: there is no rate in {text!r}", _HINT)
    if re.match(r"\s*0,\d", text):
        raise InputError("rate-malformed", f"{key}: {text!r} has a comma where a number has its point", _HINT)
    parsed = [_parse_pair(pair, key) for pair in pairs]  # those that are never used, too: a slip may have made them so
    spans: list[Span] = []
    warnings: list[tuple[str, str]] = []
    reached = 0
    for position, (pair, (rate, count)) in enumerate(zip(pairs, parsed, strict=True)):
        if count is not None and count <= 0 and reading == "duration":
            raise InputError("rate-malformed", f"{key}: {count} in {pair!r} is not a step count above zero", _HINT)
        if count == -1:  # A1111's way to say "to the end"
            count = None
        if count is None:
            if position < len(pairs) - 1:
                rest = ", ".join(pairs[position + 1 :])
                warnings.append(("rate-unreachable", f"{key}: {rate:g} has no step count, so {rest} is never used"))
            last = steps
        elif reading == "duration":
            last = reached + count
        else:
            last = count
        if last <= reached and count is not None:
            warnings.append(("rate-skipped", f"{key}: {pair} ends before step {reached + 1} and is skipped"))
            continue
        if reached >= steps:
            warnings.append(("rate-cut", f"{key}: {pair} begins after the last step ({steps}) and is never used"))
            break
        if last > steps:
            warnings.append(("rate-cut", f"{key}: {pair} is cut at the last step ({steps})"))
            last = steps
        spans.append(Span(rate, reached + 1, last))
        reached = last
        if count is None:
            break
    if not spans:
        raise InputError("rate-empty", f"{key}: {text!r} leaves no step with a rate", _HINT)
    if reached < steps:
        final = spans[-1]
        warnings.append(("rate-short", f"{key}: counts run out at step {reached}; {final.rate:g} holds to {steps}"))
        spans[-1] = Span(final.rate, final.first, steps)
    if key == "training.learning_rate" and max(s.rate for s in spans) >= HIGH_RATE:
        warnings.append(("rate-high", f"{key}: {TOO_HIGH}"))
    return Plan(tuple(spans), tuple(warnings))


def changed_from(old: str, new: str, step: int, reading: Reading, *, key: str = "training.learning_rate") -> str:
    """The rate text that says what ``old`` says up to ``step``, and from the next step on what ``new`` says.

    Both count from the run's first step, so that a run trained by the text from its start takes the same rates. Raises
    InputError.
    """
    before = parse_rates(old, MOST_STEPS, reading, key=key).spans
    after = parse_rates(new, MOST_STEPS, reading, key=key).spans
    kept = [Span(s.rate, s.first, min(s.last, step)) for s in before if s.first <= step]
    joined = list[Span]()
    for span in [*kept, *(Span(s.rate, max(s.first, step + 1), s.last) for s in after if s.last > step)]:
        if joined and joined[-1].rate == span.rate:
            joined[-1] = Span(span.rate, joined[-1].first, span.last)
        else:
            joined.append(span)
    counts = [s.last - s.first + 1 if reading == "duration" else s.last for s in joined[:-1]]
    parts = [f"{span.rate!r}:{count}" for span, count in zip(joined, counts, strict=False)]
    return ", ".join([*parts, repr(joined[-1].rate)])


def _parse_pair(pair: str, key: str) -> tuple[float, int | None]:
    rate_text, colon, count_text = pair.partition(":")
    try:
        rate = float(rate_text)
    except ValueError:
        where = f" in {pair!r}" if colon else ""
        raise InputError("rate-malformed", f"{key}: {rate_text.strip()!r}{where} is not a number", _HINT) from None
    if not 0 < rate <= HIGHEST_RATE:  # also false for NaN
        raise InputError(
            "rate-malformed", f"{key}: {rate_text.strip()} is not above 0 and up to {HIGHEST_RATE:g}", _HINT
        )
    if not colon:
        return rate, None
    try:
        count = int(count_text)
    except ValueError:
        raise InputError(
            "rate-malformed", f"{key}: {count_text.strip()!r} in {pair!r} is not a step count", _HINT
        ) from None
    return rate, count
