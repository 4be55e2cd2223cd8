"""Who people are: users, their tokens with scopes, their browser sessions."""
