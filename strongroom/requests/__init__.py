"""Requests: one noun for everything that somebody asks and somebody else decides, with its timeline."""
