"""Members, their identities, consents, points and coupons."""
