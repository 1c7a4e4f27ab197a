//! What stands and how it does, for the commands that look and do not make.
