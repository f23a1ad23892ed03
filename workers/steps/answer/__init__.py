"""The answer of a model call: asked for, streamed out, collected."""
