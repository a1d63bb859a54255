-- What has ended is looked for once a day: an index by age would cost each print a page on the card.
DROP INDEX print_job_ended;
