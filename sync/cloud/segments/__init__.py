"""Segments: people by a small declared filter, versioned, with who came in and went out when."""
