"""A run as a folder: made, started, watched and steered. Nothing here needs torch."""
