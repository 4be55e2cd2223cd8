"""The pages: landing page, search, front page; a door like any other."""
