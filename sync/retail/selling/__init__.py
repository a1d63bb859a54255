"""Sales and what follows from them: tax, tenders, returns, exchanges, drawers, days."""
