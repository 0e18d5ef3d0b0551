"""The worker: the process that trains. It joins a run folder to the engine; ``python -m tinv_tui.worker RUN``."""
