"""Whole journeys: API and workers as processes, a real database, broker and model server."""
