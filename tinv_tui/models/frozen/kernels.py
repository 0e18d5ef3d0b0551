"""GPU kernels for what a frozen UNet does between its convolutions and matrix products; needs Triton.

Pictures are [b, h, w, c] in memory, "channels last", as a GPU's convolutions take them. Statistics of a group are taken
in chunks, by many programs at once, each about its own mean (Chan, Golub and LeVeque 1983), and put together by whoever
needs them; everything is computed in fp32 and rounded once.
"""

import triton
import triton.language as tl

TILE = 4096
"""Numbers that a program works on: some positions by the channels of a group."""
SPAN = 1024
"""Numbers of a row that a program gates."""


@triton.jit
def _tile(pixels, channels, groups, stride, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    """Where the tile of this program lies in a picture and in what is told per channel, and which of it is there.

    What is added to a picture's channels lies ``stride`` behind what is added to those of the picture before.
    """
    picture, group = tl.program_id(0) // groups, tl.program_id(0) % groups
    own = channels // groups
    row = tl.program_id(1) * ROWS + tl.arange(0, ROWS)[:, None]
    column = tl.arange(0, WIDTH)[None, :]
    channel = group * own + column
    inside = (row < pixels) & (column < own)
    at = (picture.to(tl.int64) * pixels + row) * channels + channel
    return at, channel, picture * stride + channel, inside, column < own


@triton.jit
def _shifted(x, shift, at, at_shift, inside, is_channel, SHIFTED: tl.constexpr):
    value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    if SHIFTED:
        value += tl.load(shift + at_shift, mask=is_channel, other=0.0).to(tl.float32)
    return value


@triton.jit
def _activation_and_slope(z, SILU: tl.constexpr):
    if SILU:
        share = tl.sigmoid(z)
        return z * share, share * (1 + z * (1 - share))
    else:
        return z, z * 0 + 1


@triton.jit(do_not_specialize=["pixels", "channels", "groups", "stride"])
def measure(
    x, shift, parts, pixels, channels, groups, stride, SHIFTED: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr
):  # fmt: skip
    """Mean of each chunk of a group, and the sum of squares about it."""
    at, _, at_shift, inside, is_channel = _tile(pixels, channels, groups, stride, ROWS, WIDTH)
    value = _shifted(x, shift, at, at_shift, inside, is_channel, SHIFTED)
    count = tl.minimum(ROWS, pixels - tl.program_id(1) * ROWS) * (channels // groups)
    mean = tl.sum(tl.where(inside, value, 0.0)) / count
    away = tl.where(inside, value - mean, 0.0)
    part = parts + (tl.program_id(0) * tl.num_programs(1) + tl.program_id(1)) * 2
    tl.store(part, mean)
    tl.store(part + 1, tl.sum(away * away))


@triton.jit(do_not_specialize=["pixels", "channels", "groups", "stride"])
def normalise(
    x, shift, weight, bias, parts, statistics, y, pixels, channels, groups, stride, eps,
    SHIFTED: tl.constexpr, SILU: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr, CHUNKS: tl.constexpr,
):  # fmt: skip
    """Puts what was measured together, keeps mean and 1 / deviation of each group, and writes what is normalised."""
    at, channel, at_shift, inside, is_channel = _tile(pixels, channels, groups, stride, ROWS, WIDTH)
    own = channels // groups
    chunk = tl.arange(0, CHUNKS)
    known = chunk < tl.num_programs(1)
    part = parts + (tl.program_id(0) * tl.num_programs(1) + chunk) * 2
    counts = tl.where(known, tl.minimum(ROWS, pixels - chunk * ROWS) * own, 0).to(tl.float32)
    means = tl.load(part, mask=known, other=0.0)
    squares = tl.load(part + 1, mask=known, other=0.0)
    total = (pixels * own).to(tl.float32)
    mean = tl.sum(means * counts) / total
    squares += counts * (means - mean) * (means - mean)
    scale = 1 / tl.sqrt(tl.sum(squares) / total + eps)
    if tl.program_id(1) == 0:
        tl.store(statistics + tl.program_id(0) * 2, mean)
        tl.store(statistics + tl.program_id(0) * 2 + 1, scale)
    value = _shifted(x, shift, at, at_shift, inside, is_channel, SHIFTED)
    times = tl.load(weight + channel, mask=is_channel, other=0.0).to(tl.float32)
    plus = tl.load(bias + channel, mask=is_channel, other=0.0).to(tl.float32)
    answer, _ = _activation_and_slope((value - mean) * scale * times + plus, SILU)
    tl.store(y + at, answer.to(y.dtype.element_ty), mask=inside)


@triton.jit
def _way_back(
    x, shift, weight, bias, statistics, grad, at, channel, at_shift, inside, is_channel,
    SHIFTED: tl.constexpr, SILU: tl.constexpr,
):  # fmt: skip
    """What is normalised, and the gradient of it."""
    mean = tl.load(statistics + tl.program_id(0) * 2)
    scale = tl.load(statistics + tl.program_id(0) * 2 + 1)
    value = _shifted(x, shift, at, at_shift, inside, is_channel, SHIFTED)
    times = tl.load(weight + channel, mask=is_channel, other=0.0).to(tl.float32)
    plus = tl.load(bias + channel, mask=is_channel, other=0.0).to(tl.float32)
    normal = (value - mean) * scale
    _, slope = _activation_and_slope(normal * times + plus, SILU)
    return normal, tl.load(grad + at, mask=inside, other=0.0).to(tl.float32) * slope * times, scale


@triton.jit(do_not_specialize=["pixels", "channels", "groups", "stride"])
def measure_back(
    x, shift, weight, bias, statistics, grad, parts, pixels, channels, groups, stride,
    SHIFTED: tl.constexpr, SILU: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Of each chunk of a group the sum of the gradient, and of its product with what is normalised."""
    at, channel, at_shift, inside, is_channel = _tile(pixels, channels, groups, stride, ROWS, WIDTH)
    normal, inner, _ = _way_back(
        x, shift, weight, bias, statistics, grad, at, channel, at_shift, inside, is_channel, SHIFTED, SILU
    )  # fmt: skip
    part = parts + (tl.program_id(0) * tl.num_programs(1) + tl.program_id(1)) * 2
    tl.store(part, tl.sum(tl.where(inside, inner, 0.0)))
    tl.store(part + 1, tl.sum(tl.where(inside, inner * normal, 0.0)))


@triton.jit(do_not_specialize=["pixels", "channels", "groups", "stride"])
def differentiate(
    x, shift, weight, bias, statistics, grad, parts, carried, y, pixels, channels, groups, stride,
    SHIFTED: tl.constexpr, SILU: tl.constexpr, CARRIED: tl.constexpr,
    ROWS: tl.constexpr, WIDTH: tl.constexpr, CHUNKS: tl.constexpr,
):  # fmt: skip
    """The gradient of what went in, and what is ``CARRIED`` to it past the norm."""
    at, channel, at_shift, inside, is_channel = _tile(pixels, channels, groups, stride, ROWS, WIDTH)
    chunk = tl.arange(0, CHUNKS)
    known = chunk < tl.num_programs(1)
    part = parts + (tl.program_id(0) * tl.num_programs(1) + chunk) * 2
    total = (pixels * (channels // groups)).to(tl.float32)
    of_mean = tl.sum(tl.load(part, mask=known, other=0.0)) / total
    of_scale = tl.sum(tl.load(part + 1, mask=known, other=0.0)) / total
    normal, inner, scale = _way_back(
        x, shift, weight, bias, statistics, grad, at, channel, at_shift, inside, is_channel, SHIFTED, SILU
    )  # fmt: skip
    answer = scale * (inner - of_mean - normal * of_scale)
    if CARRIED:
        answer += tl.load(carried + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(y + at, answer.to(y.dtype.element_ty), mask=inside)


@triton.jit
def _gelu_and_slope(x):
    below = 0.5 * (1 + tl.erf(x * 0.7071067811865476))  # the normal distribution's share below x
    return x * below, below + x * 0.3989422804014327 * tl.exp(-0.5 * x * x)


@triton.jit(do_not_specialize=["width"])
def gate(both, y, width, SPAN: tl.constexpr):
    """``value * gelu(gate)`` of rows that hold the two side by side, ``width`` of each."""
    column = tl.program_id(1) * SPAN + tl.arange(0, SPAN)
    inside, row = column < width, tl.program_id(0).to(tl.int64)
    value = tl.load(both + row * 2 * width + column, mask=inside, other=0.0).to(tl.float32)
    opening, _ = _gelu_and_slope(tl.load(both + (row * 2 + 1) * width + column, mask=inside, other=0.0).to(tl.float32))
    tl.store(y + row * width + column, (value * opening).to(y.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["width"])
def gate_back(both, grad, y, width, SPAN: tl.constexpr):
    """The gradient of both."""
    column = tl.program_id(1) * SPAN + tl.arange(0, SPAN)
    inside, row = column < width, tl.program_id(0).to(tl.int64)
    at_value, at_gate = row * 2 * width + column, (row * 2 + 1) * width + column
    value = tl.load(both + at_value, mask=inside, other=0.0).to(tl.float32)
    opening, slope = _gelu_and_slope(tl.load(both + at_gate, mask=inside, other=0.0).to(tl.float32))
    given = tl.load(grad + row * width + column, mask=inside, other=0.0).to(tl.float32)
    tl.store(y + at_value, (given * opening).to(y.dtype.element_ty), mask=inside)
    tl.store(y + at_gate, (given * value * slope).to(y.dtype.element_ty), mask=inside)
