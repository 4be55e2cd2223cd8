"""The deposit form: begin, describe, bring files, look once more, publish (decision 0012).

One form that works without script; with `Accept: application/json` the same POST is the autosave. What is done is done by
the same verbs as at `/api/records/{id}/draft`.
"""
