"""Pictures and their captions, as files: everything about a dataset that needs no model."""
