"""Files of a version: objects (a key over a span of versions) that name instances (stored bytes)."""
