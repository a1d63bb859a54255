"""What is sold at which price: look-up, the mirror of a till, styles, prices, shelf labels."""
