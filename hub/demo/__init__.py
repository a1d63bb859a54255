"""A store in a box: an ordinary hub, simulated devices on real wires, simulated shoppers. The hub does not know."""
