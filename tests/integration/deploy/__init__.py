"""The commands of the project, run for real."""
