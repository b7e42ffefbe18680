"""Cached scan results: reading Trivy's reports, keeping them, and finding what is known of an image."""
