"""Builds the bundled model from nothing: draws captioned pictures, trains a VAE and a UNet on them, writes the folder.

Run as ``python -m tinv_tui.models.bundled.build``; nothing of the product imports this package.
"""
