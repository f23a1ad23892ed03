"""The whole of Stepwell on one machine: what `make run` starts, keeps and stops."""
