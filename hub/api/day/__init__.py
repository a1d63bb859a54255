"""Trading days and drawer sessions."""
