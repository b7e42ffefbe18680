"""Manifests: what users apply, read as kubectl reads it and made into the reviews that the API server would send."""
