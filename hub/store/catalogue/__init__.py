"""What is sold at which price, and how it is found."""
