"""Tests of the stages of a step."""
