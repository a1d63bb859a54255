"""Members and their points, coupons and their uses."""
