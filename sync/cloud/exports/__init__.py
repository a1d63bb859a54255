"""Nightly files: a folder a business day, CSV with a manifest, made again beside the old when late rows come."""
