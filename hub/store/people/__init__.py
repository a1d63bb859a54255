"""Members, what they said, their points and coupons."""
