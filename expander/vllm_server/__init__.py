"""A vLLM server that the job starts, watches, starts again and stops."""
