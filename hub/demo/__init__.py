"""A store in a box: an ordinary hub at an ordinary cloud, simulated devices on real wires, simulated people. Neither knows."""
