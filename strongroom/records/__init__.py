"""Depositions' heart: drafts, records (one published version each) and their concept."""
