"""Batch files: a run's requests as OpenAI batch JSON Lines, and their replies back into the run."""
