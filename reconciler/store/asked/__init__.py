"""What people ask of a process that works on the database, from another one."""
