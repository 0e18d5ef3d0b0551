"""The job that reads rows of a token table which only torch can read: a text encoder saved as ``pytorch_model.bin``."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from tinv_tui.errors import InputError
from tinv_tui.worker.jobs import Desk


def run(arguments: dict[str, Any], desk: Desk) -> dict[str, Any]:
    """``folder`` is the text encoder's, ``ids`` are the tokens; answers ``rows`` [tokens, width]. Raises InputError."""
    folder, ids = Path(arguments["folder"]), arguments["ids"]
    files = sorted(folder.glob("*.bin"))
    for path in [p for p in files if ".fp16." not in p.name] or files:
        desk.check()
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, pickle.UnpicklingError) as error:
            raise InputError(
                "model-broken", f"model.path: {path}: {str(error).splitlines()[0]}", "The text encoder is broken."
            ) from None
        name = next((key for key in state if key.endswith("embeddings.token_embedding.weight")), None)
        if name is not None:
            return {"rows": state[name][torch.tensor(ids, dtype=torch.long)].float().tolist()}
    raise InputError("model-broken", f"model.path: {folder} holds no token table", "The model folder is incomplete.")
