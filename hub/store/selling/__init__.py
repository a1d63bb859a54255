"""Sales and what follows from them: returns, exchanges, voids, paper."""
