"""Who besides its owner may do what with a concept: grants to users, share links, settings of access requests."""
