"""The GPU's memory and the host's, beside what the guide asks for and what each family of models takes."""

from __future__ import annotations

import psutil

from tinv_tui.cli.health.check import Check, gib
from tinv_tui.models.families import FAMILIES, Family
from tinv_tui.runs.memory import family_step
from tinv_tui.runs.neighbours import in_words, neighbours_on
from tinv_tui.telemetry.gpu import GpuSampler
from tinv_tui.telemetry.room import Room, room_for_training

GUIDE_VRAM_GB, GUIDE_RAM_GB = 8, 16
"""What the guide asks for at least. A part of it does: the weights are in half precision, and only the vectors are trained."""
_NEARLY = 0.9
"""A machine sold with 16 GB shows somewhat less."""


def check_memory() -> list[Check]:
    room = room_for_training()
    families = [check_family(family, room) for family in FAMILIES]
    return [check_gpu(), check_host(), *families, check_others(room)]


def check_gpu() -> Check:
    sampler = GpuSampler()
    try:
        snapshot = sampler.sample()
    finally:
        sampler.close()
    if snapshot.problem:
        return Check("gpu", False, snapshot.problem, "Training works on the CPU, slowly for real models.")
    names = ", ".join(f"{gpu.label} {gpu.name}, {gib(gpu.memory_total_bytes)}" for gpu in snapshot.gpus)
    known = [gpu.memory_total_bytes for gpu in snapshot.gpus if gpu.memory_total_bytes is not None]
    enough = not known or max(known) >= _NEARLY * GUIDE_VRAM_GB * 1e9
    hint = "tinv-tui plan RECIPE --probe measures what a recipe takes; a batch of 1 at 512 pixels takes the least."
    return Check("gpu", enough, f"{names} (the guide asks for {GUIDE_VRAM_GB} GB of VRAM)", hint)


def check_host() -> Check:
    total = psutil.virtual_memory().total
    hint = "Close other programs while a model is loaded; afterwards training takes little of it on a GPU."
    said = f"{gib(total)} of RAM (the guide asks for {GUIDE_RAM_GB} GB)"
    return Check("memory", total >= _NEARLY * GUIDE_RAM_GB * 1e9, said, hint)


def check_family(family: Family, room: Room) -> Check:
    """Whether the family's published models train at their native size, one picture at a time, and what that takes."""
    step = family_step(family, on_gpu=room.on_gpu)
    plan = step.fastest_plan(room.total_bytes)
    needed, words = step.bytes_by(plan), plan.in_words(1)
    name, size = f"{family.label} memory", family.native_size
    said = f"about {gib(needed)} at {size}², batch 1" + (f", with {words}" if words else "")
    if room.total_bytes is None:
        return Check(name, True, f"{said}; {room.device} does not tell how much it has")
    has = f"{room.device} has {gib(room.total_bytes)}"
    if needed > room.total_bytes:
        hint = "It will not fit at that size: tinv-tui plan RECIPE says what smaller pictures take."
        return Check(name, False, f"{said}; {has}", hint)
    if room.free_bytes is not None:
        now = step.fastest_plan(room.free_bytes)
        if step.bytes_by(now) > room.free_bytes:
            hint = "Others hold the rest: train --wait-free GIB waits until so much is free."
            return Check(name, False, f"{said}; {has}, {gib(room.free_bytes)} free", hint)
        if now != plan:
            return Check(
                name, True, f"{said}; {has}, and with {gib(room.free_bytes)} free it fits with {now.in_words(1)}"
            )
    return Check(name, True, f"{said}; {has}")


def check_others(room: Room) -> Check:
    """Who is on the device that the next training would take."""
    others = neighbours_on(room)
    free = "" if room.free_bytes is None else f", {gib(room.free_bytes)} free"
    if not others:
        return Check("sharing", True, f"nobody else trains on {room.device}{free}")
    hint = "Side by side each takes longer. tinv-tui runs shows yours; train --wait-free GIB waits for room."
    return Check("sharing", not any(other.run for other in others), f"{room.device}: {in_words(others)}{free}", hint)
