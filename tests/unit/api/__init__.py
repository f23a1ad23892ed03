"""Tests of the API's pure parts."""
