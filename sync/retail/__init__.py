"""The retail model that the hub and the cloud agree on: declarations and pure rules."""
