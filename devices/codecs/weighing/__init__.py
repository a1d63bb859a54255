"""What scales say on their lines, as weights in grams."""
