"""One worker process: its frame, its engine, what lives on its loop, its metrics."""
