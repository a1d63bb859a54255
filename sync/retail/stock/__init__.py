"""What is where and who may promise it: levels, rights, movements, documents, counts."""
