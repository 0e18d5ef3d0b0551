"""GPU kernels for the attention of a text encoder, whose sequences fit whole into one program; needs Triton.

A prompt has 77 positions: all weights of a head are in registers at once, so that nothing but its queries, keys and values is
kept for the way back, and their gradients are written side by side, as the product before them takes them.
"""

import triton
import triton.language as tl


@triton.jit
def _head(joined, positions, heads, part, N: tl.constexpr, D: tl.constexpr):
    """Where queries (part 0), keys (1) or values (2) of this program's head lie in [b, positions, 3, heads, D]."""
    prompt, head = tl.program_id(0) // heads, tl.program_id(0) % heads
    position, column = tl.arange(0, N)[:, None], tl.arange(0, D)[None, :]
    row = prompt.to(tl.int64) * positions + position
    return joined + ((row * 3 + part) * heads + head) * D + column, position < positions


@triton.jit
def _inputs(joined, positions, heads, N: tl.constexpr, D: tl.constexpr):
    """Queries, keys and values of this program's head, and which positions there are."""
    at, there = _head(joined, positions, heads, 0, N, D)
    queries = tl.load(at, mask=there, other=0.0)
    at, _ = _head(joined, positions, heads, 1, N, D)
    keys = tl.load(at, mask=there, other=0.0)
    at, _ = _head(joined, positions, heads, 2, N, D)
    return queries, keys, tl.load(at, mask=there, other=0.0), there


@triton.jit
def _out(y, positions, heads, N: tl.constexpr, D: tl.constexpr):
    """Where the answer of this program's head lies in [b, positions, heads, D]."""
    prompt, head = tl.program_id(0) // heads, tl.program_id(0) % heads
    position, column = tl.arange(0, N)[:, None], tl.arange(0, D)[None, :]
    return y + ((prompt.to(tl.int64) * positions + position) * heads + head) * D + column, position < positions


@triton.jit
def _shares(queries, keys, scale, positions, N: tl.constexpr, PRECISION: tl.constexpr):
    """How much each position attends to each of those up to itself."""
    scores = tl.dot(queries, tl.trans(keys), input_precision=PRECISION) * scale
    row, column = tl.arange(0, N)[:, None], tl.arange(0, N)[None, :]
    scores = tl.where((column <= row) & (column < positions), scores, float("-inf"))
    powers = tl.exp(scores - tl.max(scores, axis=1)[:, None])
    return powers / tl.sum(powers, axis=1)[:, None]


@triton.jit(do_not_specialize=["positions", "heads"])
def attend(joined, y, positions, heads, scale, N: tl.constexpr, D: tl.constexpr, PRECISION: tl.constexpr):
    """Causal attention of each head."""
    queries, keys, values, there = _inputs(joined, positions, heads, N, D)
    shares = _shares(queries, keys, scale, positions, N, PRECISION)
    at, _ = _out(y, positions, heads, N, D)
    tl.store(at, tl.dot(shares, values, input_precision=PRECISION), mask=there)


@triton.jit(do_not_specialize=["positions", "heads"])
def attend_back(joined, grad, y, positions, heads, scale, N: tl.constexpr, D: tl.constexpr, PRECISION: tl.constexpr):
    """The gradients of queries, keys and values, side by side as these are."""
    queries, keys, values, there = _inputs(joined, positions, heads, N, D)
    at, _ = _out(grad, positions, heads, N, D)
    given = tl.load(at, mask=there, other=0.0)
    shares = _shares(queries, keys, scale, positions, N, PRECISION)
    at, _ = _head(y, positions, heads, 2, N, D)
    tl.store(at, tl.dot(tl.trans(shares), given, input_precision=PRECISION), mask=there)
    of_shares = tl.dot(given, tl.trans(values), input_precision=PRECISION)
    of_scores = shares * (of_shares - tl.sum(shares * of_shares, axis=1)[:, None]) * scale
    at, _ = _head(y, positions, heads, 0, N, D)
    tl.store(at, tl.dot(of_scores, keys, input_precision=PRECISION), mask=there)
    at, _ = _head(y, positions, heads, 1, N, D)
    tl.store(at, tl.dot(tl.trans(of_scores), queries, input_precision=PRECISION), mask=there)
