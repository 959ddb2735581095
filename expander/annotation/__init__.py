"""`annotate`: asks an endpoint about finished dialogues, by the same engine, store and promises as `expand`."""
