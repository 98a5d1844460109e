"""The sandbox's faces over real HTTP on loopback, and in process without a socket."""
