"""The languages of printers: documents and labels to bytes, answers to status; and what a printer can do, as data."""
