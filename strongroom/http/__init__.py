"""What every door shares: bytes in and out, forms, archives, limits, and errors as answers."""
