"""This hub's feed on a second medium, row by row as it is committed, and the way back. Source: the design, 3.1 (Two
copies)."""
