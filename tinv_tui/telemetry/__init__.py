"""What the GPUs and the host are doing right now: plain samples, no history, no drawing.

A sensor that cannot be read is ``None``; nothing here raises because a machine lacks one.
"""
