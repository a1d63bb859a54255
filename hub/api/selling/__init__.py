"""Selling and what follows from it: quotes, baskets, sales, returns, exchanges, receipts, print jobs."""
