"""Operators of a frozen UNet that keep less for the way back, or run on weights packed once: exact stand-ins for torch's."""
