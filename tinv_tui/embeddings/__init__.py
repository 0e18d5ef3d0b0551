"""Embeddings as files, and the library they lie in."""
