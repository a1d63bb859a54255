"""What is plugged in: found, named, told apart, asked, replaced, captured."""
