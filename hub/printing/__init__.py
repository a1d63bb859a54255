"""From the print ledger to the printers: who holds which job, what is begun, and which printer stands in for another."""
