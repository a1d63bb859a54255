"""What is where: levels, counts, documents, reservations, and what a manager should look at."""
