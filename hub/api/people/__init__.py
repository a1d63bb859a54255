"""Members and their coupons."""
