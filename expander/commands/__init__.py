"""Commands that join the job with `analysis`. Nothing else in `expander` may import that room."""
