"""GPU kernels for rows of numbers: layer norm with what is added before it, sums with a bias, a fast GELU; needs Triton.

Everything is computed in fp32 and rounded once.
"""

import triton
import triton.language as tl

TILE = 2048
"""Numbers that a program works on."""
SPAN = 1024
"""The same, where each number is for itself."""


@triton.jit
def _tile(rows, width, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    column = tl.arange(0, WIDTH)[None, :]
    return row, column, row * width + column, (row < rows) & (column < width)


@triton.jit(do_not_specialize=["rows", "width"])
def normalise_rows(
    x, plus, weight, bias, total, y, statistics, rows, width, eps,
    ADDED: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Writes ``x + plus`` if something is ``ADDED``, what is normalised of it, and of each row mean and 1 / deviation."""
    row, column, at, inside = _tile(rows, width, ROWS, WIDTH)
    value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    if ADDED:
        value += tl.load(plus + at, mask=inside, other=0.0).to(tl.float32)
        rounded = value.to(total.dtype.element_ty)
        tl.store(total + at, rounded, mask=inside)
        value = rounded.to(tl.float32)  # what the way back will read
    mean = tl.sum(value, axis=1)[:, None] / width
    away = tl.where(inside, value - mean, 0.0)
    scale = 1 / tl.sqrt(tl.sum(away * away, axis=1)[:, None] / width + eps)
    tl.store(statistics + 2 * row, mean, mask=row < rows)
    tl.store(statistics + 2 * row + 1, scale, mask=row < rows)
    times = tl.load(weight + column, mask=column < width, other=0.0).to(tl.float32)
    added = tl.load(bias + column, mask=column < width, other=0.0).to(tl.float32)
    tl.store(y + at, (away * scale * times + added).to(y.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["rows", "width"])
def differentiate_rows(
    total, weight, statistics, grad, carried, y, rows, width,
    CARRIED: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """The gradient of what was normalised, and what is ``CARRIED`` to it past the norm."""
    row, column, at, inside = _tile(rows, width, ROWS, WIDTH)
    mean = tl.load(statistics + 2 * row, mask=row < rows, other=0.0)
    scale = tl.load(statistics + 2 * row + 1, mask=row < rows, other=0.0)
    times = tl.load(weight + column, mask=column < width, other=0.0).to(tl.float32)
    inner = tl.load(grad + at, mask=inside, other=0.0).to(tl.float32) * times
    value = tl.load(total + at, mask=inside, other=0.0).to(tl.float32)
    normal = tl.where(inside, (value - mean) * scale, 0.0)
    of_mean = tl.sum(inner, axis=1)[:, None] / width
    of_scale = tl.sum(inner * normal, axis=1)[:, None] / width
    answer = scale * (inner - of_mean - normal * of_scale)
    if CARRIED:
        answer += tl.load(carried + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(y + at, answer.to(y.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["count", "channels"])
def join(x, hidden, bias, y, count, channels, SPAN: tl.constexpr):
    """``x + hidden + bias`` of pictures whose channels lie last."""
    at = tl.program_id(0).to(tl.int64) * SPAN + tl.arange(0, SPAN)
    inside = at < count
    value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    value += tl.load(hidden + at, mask=inside, other=0.0).to(tl.float32)
    value += tl.load(bias + at % channels, mask=inside, other=0.0).to(tl.float32)
    tl.store(y + at, value.to(y.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["count"])
def quick_gelu(x, y, count, SPAN: tl.constexpr):
    """``x * sigmoid(1.702 x)``, CLIP's GELU."""
    at = tl.program_id(0).to(tl.int64) * SPAN + tl.arange(0, SPAN)
    value = tl.load(x + at, mask=at < count, other=0.0).to(tl.float32)
    tl.store(y + at, (value * tl.sigmoid(1.702 * value)).to(y.dtype.element_ty), mask=at < count)


@triton.jit(do_not_specialize=["count"])
def quick_gelu_back(x, grad, y, count, SPAN: tl.constexpr):
    """The gradient of what went in."""
    at = tl.program_id(0).to(tl.int64) * SPAN + tl.arange(0, SPAN)
    value = tl.load(x + at, mask=at < count, other=0.0).to(tl.float32)
    given = tl.load(grad + at, mask=at < count, other=0.0).to(tl.float32)
    share = tl.sigmoid(1.702 * value)
    answer = given * share * (1 + 1.702 * value * (1 - share))
    tl.store(y + at, answer.to(y.dtype.element_ty), mask=at < count)
