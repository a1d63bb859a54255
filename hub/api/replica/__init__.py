"""This hub as one of several: its clock, the cloud, the other hub of the store."""
