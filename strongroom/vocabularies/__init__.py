"""Vocabularies: the small ones shipped inside, and those that registries publish, loaded from their files.

formats     what the registries' files say, entry by entry (ROR, Crossref, OpenAIRE, CORDIS, ORCID, MeSH, SKOS)
reading     a file made into rows, in a process of its own where it is large
loading     those into the table: only what changed is written, what left the registry is retired
service     read, search, suggest; ids checked; what depositors left out filled in
statements  SQL with a list for a value
sources     what the suggest index (`strongroom.search.terms`) learns from the database
"""
