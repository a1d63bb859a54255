"""Orders of marketplaces as files: CSV and XLSX, as people have had them open in Excel."""
