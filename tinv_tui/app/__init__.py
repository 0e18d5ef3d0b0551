"""The Textual app: a viewer of runs. It starts workers and reads their folders; it never trains and never maps torch."""

import os

# Textual reads these once, when it is imported. Nothing moves on its own, since every frame goes over somebody's SSH
# link; 15 frames a second still echo typing at once.
os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
os.environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
os.environ.setdefault("TEXTUAL_FPS", "15")
