//! Arguments, settings, output.
