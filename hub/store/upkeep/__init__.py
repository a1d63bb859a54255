"""What is done to the books behind the selling: scopes, opening sums, forgetting, audit, mending, explaining."""
