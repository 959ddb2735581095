"""Inputs made to break whatever reads text from outside, and what each of those readers promises for any input."""
