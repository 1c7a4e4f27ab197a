//! The article's steps, one file per resource.
