-- The rows of one life in the order in which the cloud took them: what its store's other hubs are told of it.
CREATE INDEX tally_life ON tally (replica, stream, n);
