"""Linear layers that read the same, as one: one product each way in place of several and of the sums of their gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


def join_linears(layers: Sequence[nn.Linear], dtype: torch.dtype) -> nn.Linear:
    """One frozen layer whose output holds theirs side by side. What has no bias gets zeros where others have one."""
    has_bias = any(layer.bias is not None for layer in layers)
    joined = nn.Linear(1, 1, bias=has_bias, device="meta")
    joined.in_features, joined.out_features = layers[0].in_features, sum(layer.out_features for layer in layers)
    joined.weight = nn.Parameter(torch.cat([layer.weight.to(dtype) for layer in layers]), requires_grad=False)
    if has_bias:
        biases = [
            layer.weight.new_zeros(layer.out_features, dtype=dtype) if layer.bias is None else layer.bias.to(dtype)
            for layer in layers
        ]
        joined.bias = nn.Parameter(torch.cat(biases), requires_grad=False)
    return joined
