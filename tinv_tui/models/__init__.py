"""Base models: which family a model is of, how its prompts are tokenised, and (with torch) how it is loaded."""
