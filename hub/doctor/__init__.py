"""`storehub doctor`: what is wrong with this machine, its books and its line, and what to do about each. Reads only."""
