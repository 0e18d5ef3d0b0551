"""The sampling methods of previews, as diffusers' schedulers."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import numpy as np

_MULTISTEP = ("scheduling_dpmsolver_multistep", "DPMSolverMultistepScheduler")
_SINGLESTEP = ("scheduling_dpmsolver_singlestep", "DPMSolverSinglestepScheduler")
_DPM2 = ("scheduling_k_dpm_2_discrete", "KDPM2DiscreteScheduler")
_DPM2_A = ("scheduling_k_dpm_2_ancestral_discrete", "KDPM2AncestralDiscreteScheduler")
_LMS = ("scheduling_lms_discrete", "LMSDiscreteScheduler")
_KARRAS = {"use_karras_sigmas": True}
_ZERO_SNR = "rescale_betas_zero_snr"
_SDE = {"algorithm_type": "sde-dpmsolver++"}

SAMPLERS: dict[str, tuple[tuple[str, str], dict[str, Any]]] = {
    "dpm++ 2m karras": (_MULTISTEP, _KARRAS),
    "dpm++ 2m": (_MULTISTEP, {}),
    "dpm++ 2m sde karras": (_MULTISTEP, _SDE | _KARRAS),
    "dpm++ 2m sde": (_MULTISTEP, _SDE),
    "dpm++ sde karras": (_SINGLESTEP, _SDE | _KARRAS),
    "dpm++ sde": (_SINGLESTEP, _SDE),
    "dpm2 karras": (_DPM2, _KARRAS),
    "dpm2": (_DPM2, {}),
    "dpm2 a karras": (_DPM2_A, _KARRAS),
    "dpm2 a": (_DPM2_A, {}),
    "euler a": (("scheduling_euler_ancestral_discrete", "EulerAncestralDiscreteScheduler"), {}),
    "euler": (("scheduling_euler_discrete", "EulerDiscreteScheduler"), {}),
    "heun": (("scheduling_heun_discrete", "HeunDiscreteScheduler"), {}),
    "lms karras": (_LMS, _KARRAS),
    "lms": (_LMS, {}),
    "plms": (("scheduling_pndm", "PNDMScheduler"), {"skip_prk_steps": True}),
    "ddim": (("scheduling_ddim", "DDIMScheduler"), {}),
    "unipc": (("scheduling_unipc_multistep", "UniPCMultistepScheduler"), {}),
}
"""By the name a recipe gives them: module and class, and the options beside the model's own configuration."""


def scheduler_for(sampler: str, config: dict[str, Any]) -> Any:
    """The diffusers scheduler of a sampler's name, set up like the model's own."""
    (module, name), options = SAMPLERS[sampler]
    kind = getattr(importlib.import_module(f"diffusers.schedulers.{module}"), name)
    if config.get(_ZERO_SNR) and _ZERO_SNR not in inspect.signature(kind).parameters:
        options = options | {"trained_betas": _betas_to_zero_snr(config)}
    scheduler = kind.from_config(config, **options)
    if sampler.startswith("lms"):
        # diffusers integrates these polynomials numerically, with SciPy, which nothing else here needs.
        scheduler.get_lms_coefficient = lambda order, t, j: _lms_coefficient(scheduler.sigmas.tolist(), order, t, j)
    return scheduler


def _betas_to_zero_snr(config: dict[str, Any]) -> list[float]:
    """The model's betas for a sampler that cannot make them itself.

    The last step keeps a trace of the picture, as in diffusers' own samplers, or its noise level were infinite.
    """
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    kept = DDPMScheduler.from_config(config).alphas_cumprod.double().numpy()
    kept[-1] = 2**-24
    return [float(beta) for beta in 1 - kept / np.concatenate([[1.0], kept[:-1]])]


def _lms_coefficient(sigmas: list[float], order: int, t: int, j: int) -> float:
    """The integral from sigma t to sigma t+1 of the Lagrange polynomial that is 1 at sigma t-j (Adams–Bashforth)."""
    polynomial = np.polynomial.Polynomial([1.0])
    for node in (sigmas[t - k] for k in range(order) if k != j):
        polynomial *= np.polynomial.Polynomial([-node, 1.0]) / (sigmas[t - j] - node)
    integral = polynomial.integ()
    return float(integral(sigmas[t + 1]) - integral(sigmas[t]))
