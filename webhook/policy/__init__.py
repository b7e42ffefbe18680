"""Policies and exceptions in YAML: their schema, loading, matching and reloading."""
