"""Campaigns: coupons and messages for a segment, one for each person at most, and none to who does not want any."""
