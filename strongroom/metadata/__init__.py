"""Metadata as pure values: no database, no HTTP. Every door converts from and to `model`."""
