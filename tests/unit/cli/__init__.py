"""The command line without servers: what it reads, what it prints, what its exit codes are."""
