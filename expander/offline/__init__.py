"""The embedded endpoint: OpenAI-compatible HTTP over a rule-based rewriter, with faults on request. No language model."""
