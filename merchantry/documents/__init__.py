"""Documents and tables as files: one model, written as CSV, XLSX and PDF, the same bytes each time."""
