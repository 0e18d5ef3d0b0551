"""Measures training: each job here trains a few steps in a process of its own and tells how long they took."""
