"""The doors that speak JSON: they parse, check, call one verb and render. No SQL, no rule."""
