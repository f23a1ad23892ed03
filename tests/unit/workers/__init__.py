"""The parts of the worker without its servers."""
