-- Which printer a job was queued for, when another one prints it in its place. Local to this hub.
ALTER TABLE print_job ADD COLUMN instead_of TEXT;
