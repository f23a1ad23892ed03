"""What API and workers measure."""
