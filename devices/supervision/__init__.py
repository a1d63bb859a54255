"""Drivers at work: started again, watched, told what to do."""
