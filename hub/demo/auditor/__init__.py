"""The auditor of a scripted day: a program of its own that trusts nobody and proves each promise from the evidence.

It imports nothing of hub, sync and devices but the reader of printer bytes that shares no code with the encoder. What it knows:
what the tills sent and were answered, the bytes the printer got, the messages the counters sent, the cloud's feed over HTTP.
"""
