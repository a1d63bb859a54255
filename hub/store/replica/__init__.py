"""This hub as one of several: its lives, its clock, rows of the other hub of the store."""
