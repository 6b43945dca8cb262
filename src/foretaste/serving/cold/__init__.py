"""People and items of whom little is known: visits, newcomers and what they say of themselves, arrivals."""
