"""What is where: levels, rights, promises, documents, counts, reservations, and what a manager should look at."""
