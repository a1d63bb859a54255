"""What members have in hand: points, what is set aside of them, coupons, tiers. Not here: who they are (sync.cloud.persons)."""
