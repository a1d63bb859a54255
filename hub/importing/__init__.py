"""Catalogue files into products: readers, known shapes, mapping, cleaning, report. Pure but for reading the file."""
