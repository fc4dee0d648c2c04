//! Tests through the real parts: OpenSSH's client and server, real shells, the real record.
