"""The libraries, and whether torch's CUDA and the NVIDIA driver understand each other."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import Any

from tinv_tui.cli.health.check import Check
from tinv_tui.interpreter import PYTHON
from tinv_tui.models import bundled
from tinv_tui.telemetry.driver import Driver, read_driver
from tinv_tui.telemetry.room import environment_for, room_for_training

OLDEST_DRIVERS = {11: "450.80.02", 12: "525.60.13", 13: "580.65.06"}
"""The first Linux driver that runs everything built for a major version of CUDA (NVIDIA's notes on compatibility)."""

_ASK = """
import json, warnings
import torch, diffusers, transformers
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    usable, problem = torch.cuda.is_available(), ""
    if usable:
        try:
            torch.zeros(1, device="cuda").add(1).item()
        except Exception as error:
            usable, problem = False, str(error)
problem = problem or (str(said[-1].message) if said else "")
print(json.dumps({
    "torch": torch.__version__, "diffusers": diffusers.__version__, "transformers": transformers.__version__,
    "cuda": torch.version.cuda, "usable": usable, "problem": " ".join(problem.split()),
}))
"""
_PATIENCE_SECONDS = 180


@dataclass(frozen=True)
class Libraries:
    """What a process that imported them told; ``cuda`` is what torch was built for, None for the processor only."""

    torch: str
    diffusers: str
    transformers: str
    cuda: str | None
    usable: bool
    """Whether torch could compute on a GPU."""
    problem: str
    """What torch said of that, in one line."""


def check_software() -> list[Check]:
    """Torch is asked in a process of its own, which sees the GPU that a run would take: this one stays light."""
    libraries, failure = None, ""
    try:
        asked = subprocess.run(
            [*PYTHON, "-W", "ignore", "-c", _ASK],
            capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS,
            env=os.environ | environment_for(room_for_training()),
        )  # fmt: skip
        told: dict[str, Any] = json.loads(asked.stdout.strip().splitlines()[-1])
        libraries = Libraries(**told)
    except subprocess.TimeoutExpired:
        failure = f"no answer in {_PATIENCE_SECONDS} s"
    except (ValueError, TypeError, IndexError):
        failure = (asked.stderr.strip().splitlines() or ["no reason given"])[-1]
    return [check_torch(libraries, failure), check_driver(libraries, read_driver()), check_bundled_model()]


def check_torch(libraries: Libraries | None, failure: str = "") -> Check:
    if libraries is None:
        return Check(
            "torch", False, f"cannot be imported: {failure}", "Install again: pip install --force-reinstall tinv-tui"
        )
    built = f"CUDA {libraries.cuda}" if libraries.cuda else "CPU only"
    others = f"diffusers {libraries.diffusers}, transformers {libraries.transformers}"
    return Check("torch", True, f"torch {libraries.torch}, {others}, {built}")


def check_driver(libraries: Libraries | None, driver: Driver | None) -> Check:
    """Any driver of a major version of CUDA runs what was built for it, whatever the minor one."""
    cuda = libraries.cuda if libraries is not None else None
    if driver is None:
        if libraries is not None and libraries.usable:
            hint = "In a container, let NVIDIA_DRIVER_CAPABILITIES have utility too; elsewhere install libnvidia-ml."
            said = (
                f"torch computes on a GPU, but NVML is missing: nobody sees its memory; torch is built for CUDA {cuda}"
            )
            return Check("driver", False, said, hint)
        if cuda is None:
            return Check("driver", True, "no NVIDIA driver: training runs on the processor")
        hint = "Install NVIDIA's driver, or leave it: training works on the processor, slowly for real models."
        return Check("driver", False, f"no NVIDIA driver, though torch is built for CUDA {cuda}", hint)
    newest = f"driver {driver.version} knows CUDA up to {driver.cuda[0]}.{driver.cuda[1]}"
    if libraries is None:
        return Check("driver", True, newest)
    if cuda is None:
        hint = (
            f"Install a torch built for CUDA {driver.cuda[0]}.{driver.cuda[1]} or older: pytorch.org names the command."
        )
        return Check(
            "driver", False, f"{newest}, but this torch is built for the processor only: the GPU lies idle", hint
        )
    major = int(cuda.partition(".")[0])
    if driver.cuda[0] < major:
        needed = OLDEST_DRIVERS.get(major)
        update = f"Update the driver{f' to {needed} or newer' if needed else ''}"
        hint = f"{update}, or install a torch built for CUDA {driver.cuda[0]} (pytorch.org names the command)."
        return Check("driver", False, f"{newest}, torch is built for {cuda}", hint)
    if not libraries.usable:
        hint = "Look at CUDA_VISIBLE_DEVICES, then nvidia-smi; restart the machine after an update of the driver."
        return Check(
            "driver", False, f"{newest}, torch is built for {cuda}, but cannot use a GPU: {libraries.problem}", hint
        )
    if libraries.problem:
        hint = "Install a torch that is built for this GPU (pytorch.org names the command)."
        return Check("driver", False, f"{newest}, torch is built for {cuda}, and says: {libraries.problem}", hint)
    return Check("driver", True, f"{newest}, torch is built for {cuda}")


def check_bundled_model() -> Check:
    ok = (bundled.FOLDER / "model_index.json").is_file()
    return Check("bundled model", ok, str(bundled.FOLDER), "The installation is incomplete: install the package again.")
