"""Examples for operators: they are loaded and run by tests."""
