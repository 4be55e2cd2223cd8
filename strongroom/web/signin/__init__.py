"""Doors of logging in and out: by password, by ORCID, an institution or GitHub, and the links by mail.

Between two steps a browser keeps a signed cookie for `/login` alone: what must come back from a provider unchanged
(state, nonce, PKCE), then, at a first log-in, who came back. While a provider is asked no transaction is open, and the
threads of requests stay free; ten seconds at most, then a page says who did not answer (decision 0012).
"""
