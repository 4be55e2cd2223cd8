"""Strongroom: a repository for research data, and the tool that deposits into it."""

__version__ = "0.1.0"
